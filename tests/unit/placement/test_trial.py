import json
from collections import Counter
from dataclasses import replace
from random import Random

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import BINPACK, SPREAD, Cluster, Node, Request, Running, try_profile
from tests.unit.placement.worlds import GIB, MIB, some_nodes, some_request

LOOSE = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)


def world(count, rules=LOOSE, profile=SPREAD):
    nodes = [Node(name, {}, "ready", Resources(1000, GIB, GIB, 20), Resources()) for name in "abcd"]
    cluster = Cluster(nodes, profile)
    request = Request("g/web", "g", Resources(100, 100 * MIB, 0, 1), count, rules)
    single = replace(request, count=1)
    running = [Running(n, single, name) for n, name in enumerate(cluster.place(request).nodes)]
    return cluster.nodes, running


def test_binpack_would_need_fewer_nodes_than_spread():
    nodes, running = world(8)
    trial = try_profile(nodes, running, BINPACK)
    assert (trial.now.nodes_used, trial.then.nodes_used) == (4, 1)
    assert (trial.now.sharing, trial.then.sharing) == (8, 8)
    assert (trial.now.fullest, trial.now.emptiest) == (19, 19)
    assert (trial.then.fullest, trial.then.emptiest) == (79, 0)
    assert trial.elsewhere == 6
    assert trial.apps == (("g/web", {"a": 2, "b": 2, "c": 2, "d": 2}, {"a": 8}),)
    assert trial.then.pending == 0


def test_the_profile_that_is_set_changes_nothing():
    nodes, running = world(7, PlacementRules())
    trial = try_profile(nodes, running, SPREAD)
    assert trial.now == trial.then
    assert (trial.elsewhere, trial.apps) == (0, ())


def test_what_would_find_no_place_is_counted():
    nodes, running = world(8)
    nodes = [replace(node, state="cordoned") if node.name != "a" else node for node in nodes]
    trial = try_profile(nodes, [replace(one, request=larger(one.request)) for one in running], SPREAD)
    assert (trial.now.pending, trial.then.placed, trial.then.pending) == (0, 3, 5)


def larger(request):
    return replace(request, resources=Resources(300, 100 * MIB, 0, 1))


def test_it_is_json_and_has_no_more_apps_than_asked_for():
    nodes, running = world(8)
    shown = json.loads(json.dumps(try_profile(nodes, running, BINPACK).as_dict(limit=0)))
    assert (shown["apps"], shown["apps_in_all"], shown["profile"]["name"]) == ([], 1, "binpack")


def test_a_trial_keeps_to_everything_but_the_present_places():
    for seed in range(30):
        rng = Random(seed)
        cluster = Cluster(some_nodes(rng, 8))
        running = []
        for _ in range(5):
            request = some_request(rng, 3)
            found = cluster.place(request)
            single = replace(request, count=1)
            running += [
                Running(len(running) + k, single, name, devices=devices)
                for k, (name, devices) in enumerate(zip(found.nodes, found.devices, strict=True))
            ]
        nodes = cluster.nodes
        trial = try_profile(nodes, running, BINPACK)
        assert cluster.nodes == nodes
        assert trial.now.placed == len(running)
        assert trial.then.placed + trial.then.pending == len(running)
        now = Counter(one.request.app for one in running)
        assert all(sum(before.values()) == now[app] for app, before, _ in trial.apps)
