from collections import Counter
from dataclasses import replace
from itertools import chain, combinations
from random import Random

from scheduler.model import PlacementRules, Resources
from scheduler.placement import (
    Affinity,
    Bond,
    Constraints,
    Device,
    DeviceRequest,
    Node,
    Preemption,
    Request,
    Running,
    place,
    preempt,
)
from tests.unit.placement.reference import Reference
from tests.unit.placement.worlds import GIB, MIB

LOOSE = PlacementRules(spread=())


def request(app, memory, priority=0, **more):
    return Request(app, "g", Resources(100, memory * MIB, 0, 1), 1, LOOSE, priority=priority, **more)


def world(placed, memory=1024):
    """Nodes with what runs on them: {node: [(app, MiB, priority), …]}."""
    running = [
        Running(number, request(app, used, priority), name)
        for number, (name, app, used, priority) in enumerate(
            (name, *one) for name, instances in placed.items() for one in instances
        )
    ]
    nodes = []
    for name in placed:
        here = [one for one in running if one.node == name]
        reserved = sum((one.request.resources for one in here), Resources())
        apps = Counter(one.request.app for one in here)
        nodes.append(Node(name, {}, "ready", Resources(8000, memory * MIB, GIB, 20), reserved, apps=apps))
    return nodes, running


def test_the_least_set_of_lower_instances_goes():
    nodes, running = world(
        {
            "a": [("small", 300, 0), ("small", 300, 0), ("small", 300, 0)],
            "b": [("large", 600, 0), ("small", 300, 0)],
            "c": [("large", 600, 5), ("small", 300, 5)],
        }
    )
    assert preempt(nodes, running, request("db", 700, 10)) == Preemption("b", (3,), ("",))


def test_of_equally_many_the_lowest_priorities_go():
    nodes, running = world({"a": [("x", 900, 5)], "b": [("y", 900, 2)], "c": [("x", 100, 0), ("y", 100, 0)]})
    found = preempt(nodes, running, request("db", 1000, 10))
    assert found is not None
    assert (found.node, found.displaced) == ("b", (1,))


def test_what_is_displaced_is_shown_where_it_can_go():
    nodes, running = world({"a": [("x", 500, 0), ("x", 100, 0)], "b": [("y", 400, 9)]})
    request_ = replace(request("db", 900, 5))
    found = preempt(nodes, running, replace(request_, constraints=replace(request_.constraints, nodes=frozenset("a"))))
    assert found == Preemption("a", (0,), ("b",))


def test_an_apps_last_healthy_instance_stays():
    nodes, running = world({"a": [("x", 900, 0)]})
    assert preempt(nodes, running, request("db", 900, 10)) is None
    nodes, running = world({"a": [("x", 900, 0)], "b": [("x", 900, 0)]})
    running[1] = replace(running[1], healthy=False)
    found = preempt(nodes, running, request("db", 900, 10))
    assert found is not None
    assert found.displaced == (1,)


def test_equal_and_higher_priorities_and_protected_instances_stay():
    nodes, running = world({"a": [("x", 900, 10), ("x", 50, 0)], "b": [("y", 900, 11), ("y", 50, 0)]})
    assert preempt(nodes, running, request("db", 900, 10)) is None
    nodes, running = world({"a": [("x", 900, 0), ("x", 50, 0)]})
    assert preempt(nodes, [replace(one, protected=True) for one in running], request("db", 900, 10)) is None


def test_nothing_goes_where_it_would_not_help():
    nodes, running = world({"a": [("x", 900, 0), ("x", 50, 0)]})
    nodes = [replace(nodes[0], state="cordoned")]
    assert preempt(nodes, running, request("db", 900, 10)) is None


def test_whoever_has_the_port_the_device_or_the_neighbourhood_goes():
    holders = {
        "port": (Constraints(ports=frozenset({80})), Constraints(ports=frozenset({80}))),
        "device": (Constraints(devices=(DeviceRequest("gpu"),)), Constraints(devices=(DeviceRequest("gpu", 1, 300),))),
        "neighbour": (Constraints(), Constraints(affinities=(Affinity(Bond.APART, "x"),))),
    }
    for has, wants in holders.values():
        nodes, running = world({"a": [("x", 100, 0), ("y", 100, 0), ("y", 100, 0)], "b": [("x", 100, 9)]})
        nodes[0] = replace(nodes[0], ports=has.ports, devices=tuple(Device("gpu", free=0) for _ in has.devices))
        nodes[1] = replace(nodes[1], state="cordoned")
        holder = replace(running[0].request, constraints=has)
        running[0] = replace(running[0], request=holder, devices=(0,) if has.devices else ())
        found = preempt(nodes, running, request("db", 100, 5, constraints=wants))
        assert found is not None
        assert (found.node, found.displaced) == ("a", (0,))


def test_no_other_set_on_any_node_is_cheaper():
    found_some = 0
    for seed in range(60):
        rng = Random(seed)
        placed = {
            name: [(rng.choice("xyz"), rng.choice((100, 200, 300)), rng.choice((0, 1, 2))) for _ in range(4)]
            for name in ("a", "b", "c")
        }
        nodes, running = world(placed)
        wanted = request("db", rng.choice((400, 600, 900)), 2)
        if place(nodes, wanted).nodes:
            continue
        found = preempt(nodes, running, wanted)
        best = cheapest(nodes, running, wanted)
        if found is None:
            assert best is None, seed
            continue
        found_some += 1
        gone = [one for one in running if one.id in found.displaced]
        assert cost(gone) == best, seed
        assert Counter(one.request.app for one in gone) < Counter(one.request.app for one in running), seed
    assert found_some > 20


def cheapest(nodes, running, wanted):
    costs = []
    healthy = Counter(one.request.app for one in running)
    for node in nodes:
        here = [one for one in running if one.node == node.name and one.request.priority < wanted.priority]
        for gone in chain.from_iterable(combinations(here, size) for size in range(1, len(here) + 1)):
            of = Counter(one.request.app for one in gone)
            if any(healthy[app] <= number for app, number in of.items()):
                continue
            reserved = node.reserved
            for one in gone:
                reserved -= one.request.resources
            if not Reference([replace(node, reserved=reserved)]).refusals(node.name, wanted):
                costs.append(cost(gone))
    return min(costs, default=None)


def cost(gone):
    priorities = [one.request.priority for one in gone]
    return len(gone), max(priorities), sum(priorities)
