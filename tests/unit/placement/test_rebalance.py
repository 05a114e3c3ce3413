from collections import Counter
from dataclasses import replace
from random import Random

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import BALANCED, BINPACK, SPREAD, Cluster, Constraints, Node, Request, Running, Skew, rebalance
from tests.unit.placement.reference import Reference
from tests.unit.placement.worlds import GIB, MIB, some_nodes, some_request

SIZE = Resources(100, 100 * MIB, 0, 1)


def world(placed, *, labels=None, rules=None, states=None):
    """{node: {app: instances}}"""
    rules = rules or PlacementRules()
    nodes, running = [], []
    for name, apps in placed.items():
        used = SIZE * sum(apps.values())
        state = (states or {}).get(name, "ready")
        nodes.append(
            Node(name, (labels or {}).get(name, {}), state, Resources(4000, 2 * GIB, GIB, 20), used, apps=apps)
        )
        for app, count in apps.items():
            for _ in range(count):
                running.append(Running(len(running), Request(app, "g", SIZE, 1, rules), name))
    return nodes, running


def after(moves, placed):
    counts = {name: Counter(apps) for name, apps in placed.items()}
    for move in moves:
        counts[move.source][move.app] -= 1
        counts[move.target][move.app] += 1
    return {name: {app: count for app, count in apps.items() if count} for name, apps in counts.items()}


def test_a_node_that_joined_takes_its_share():
    placed = {"a": {"x": 2, "y": 2}, "b": {"x": 2, "y": 2}, "new": {}}
    moves = rebalance(*world(placed), most=10)
    assert after(moves, placed)["new"] == {"x": 1, "y": 1}
    assert all(move.target == "new" and move.gain > 0 for move in moves)


def test_what_is_well_spread_stays():
    placed = {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 1}, "c": {"x": 1}}
    assert rebalance(*world(placed), most=10) == ()


def test_there_are_no_more_moves_than_allowed_in_all_and_per_app():
    placed = {"a": {"x": 6, "y": 6, "z": 6}, "b": {}, "c": {}}
    assert len(rebalance(*world(placed), most=2)) == 2
    moves = rebalance(*world(placed), most=99)
    assert Counter(move.app for move in moves) == {"x": 1, "y": 1, "z": 1}
    moves = rebalance(*world(placed), most=99, per_app=9)
    assert after(moves, placed) == {name: {"x": 2, "y": 2, "z": 2} for name in "abc"}


def test_the_best_move_comes_first():
    placed = {"a": {"x": 4, "y": 2}, "b": {}}
    assert [move.app for move in rebalance(*world(placed), most=9)] == ["x", "y"]


def test_a_cordoned_node_is_left_and_never_a_target():
    placed = {"a": {"x": 1}, "b": {"y": 1}, "c": {}}
    moves = rebalance(*world(placed, states={"a": "cordoned"}), most=9)
    assert [(move.source, move.target) for move in moves] == [("a", "c")]


def test_protected_and_unhealthy_instances_stay():
    nodes, running = world({"a": {"x": 4}, "b": {}})
    assert rebalance(nodes, [replace(one, protected=True) for one in running], most=9) == ()
    assert rebalance(nodes, [replace(one, healthy=False) for one in running], most=9) == ()


def test_a_move_keeps_to_the_hard_constraints():
    rules = PlacementRules(distinct_nodes=Distinct.REQUIRED, require=("disk == ssd",))
    placed = {"a": {"x": 3}, "b": {}, "c": {}}
    moves = rebalance(*world(placed, rules=rules, labels={"a": {"disk": "ssd"}, "b": {"disk": "ssd"}}), 9, per_app=9)
    assert [(move.source, move.target) for move in moves] == [("a", "b")]


def test_a_zone_that_came_back_takes_its_share():
    placed = {"a": {"x": 4}, "b": {"x": 4}, "c": {}}
    nodes, running = world(placed, labels={name: {"zone": name} for name in "abc"})
    constraints = Constraints(skews=(Skew("zone", 1),))
    running = [replace(one, request=replace(one.request, constraints=constraints)) for one in running]
    moves = rebalance(nodes, running, most=9, per_app=9)
    assert sorted(apps["x"] for apps in after(moves, placed).values()) == [2, 3, 3]


def test_random_moves_fit_gain_and_come_to_an_end():
    for seed in range(40):
        rng = Random(seed)
        nodes = some_nodes(rng, 6, plain=True)
        state, running = Reference(nodes), []
        for _ in range(6):
            request = replace(some_request(rng, 1, plain=True, skews=False), app=rng.choice(("g/m", "g/n")))
            for name in state.place(request):
                running.append(Running(len(running), request, name))
        for _ in range(20):
            moves = rebalance(list(state.nodes.values()), running, most=1)
            if not moves:
                break
            (move,) = moves
            one = next(one for one in running if one.id == move.id)
            state.nodes[move.source] = leave(state.nodes[move.source], one.request)
            assert state.refusals(move.target, one.request) == [], seed
            state.claim(move.target, one.request)
            running[one.id] = replace(one, node=move.target)
        else:
            raise AssertionError(f"seed {seed} never comes to rest")


def test_the_gains_of_many_instances_are_those_of_each():
    compared = 0
    for seed in range(200):
        rng = Random(seed)
        packed = Cluster(some_nodes(rng, 12), BINPACK)
        request = replace(some_request(rng, 6), constraints=Constraints())
        names = packed.place(request).nodes
        request = replace(request, constraints=replace(some_request(rng).constraints, devices=(), ports=frozenset()))
        cluster = Cluster(packed.nodes, rng.choice((SPREAD, BALANCED)))
        if names:
            alike = [Running(0, request, name) for name in names]
            expected = [-1 if found is None else found[1] for found in map(cluster.better, alike)]
            gains = cluster.gains(alike)
            assert [max(gain, 0) for gain in gains] == [max(gain, 0) for gain in expected], seed
            compared += any(gain > 0 for gain in gains)
    assert compared > 50


def leave(node, request):
    apps = {**node.apps, request.app: node.apps[request.app] - 1}
    return replace(node, apps=apps, reserved=node.reserved - request.resources)
