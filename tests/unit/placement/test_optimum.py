"""Against every way there is to place a few instances on a few nodes, found by trying all of them."""

from dataclasses import replace
from random import Random

import pytest

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import BALANCED, BINPACK, FRAGMENTATION, SPREAD, Bond, Cluster
from tests.unit.placement.reference import Reference
from tests.unit.placement.worlds import MIB, some_nodes, some_request


def all_outcomes(nodes, request):
    """Every reachable number of instances by node: each step obeys the hard constraints, whatever the scores say."""
    names = [node.name for node in nodes]
    reached = {(0,) * len(names)}
    for _ in range(request.count):
        following = {
            (*counts[:n], counts[n] + 1, *counts[n + 1 :])
            for counts in reached
            for n, name in enumerate(names)
            if not after(nodes, names, counts, request).refusals(name, request)
        }
        if not following:
            break
        reached = following
    return names, reached


def after(nodes, names, counts, request):
    state = Reference(nodes)
    for name, count in zip(names, counts, strict=True):
        for _ in range(count):
            state.claim(name, request)
    return state


@pytest.mark.parametrize("profile", [SPREAD, BINPACK, BALANCED, FRAGMENTATION], ids=lambda profile: profile.name)
def test_no_other_way_places_more_instances(profile):
    waited = 0
    for seed in range(500):
        rng = Random(seed)
        nodes, request = some_nodes(rng), some_request(rng, 4)
        if starts_a_place_of_its_own(request):
            continue
        _, outcomes = all_outcomes(nodes, request)
        most = max(map(sum, outcomes))
        assert len(Cluster(nodes, profile).place(request).nodes) == most, seed
        waited += 0 < most < request.count
    assert waited > 50


def starts_a_place_of_its_own(request):
    """Whether the first instance decides for the others, whose number it does not know."""
    return any(one.bond is Bond.WITH and one.app == request.app for one in request.constraints.affinities)


def test_no_other_way_spreads_better_over_nodes():
    for seed in range(500):
        rng = Random(seed)
        nodes, request = some_nodes(rng), some_request(rng, 4)
        if starts_a_place_of_its_own(request) or request.constraints.skews:
            continue
        rules = replace(request.rules, spread=("node",), prefer=(), distinct_nodes=Distinct.PREFERRED)
        request = replace(request, rules=rules, preferences=(), avoid=frozenset(), stay=frozenset(), image="")
        nodes = [replace(node, taints=()) for node in nodes]
        names, outcomes = all_outcomes(nodes, request)
        there = [node.apps.get(request.app, 0) for node in nodes]
        placed = Cluster(nodes, SPREAD).place(request).nodes
        chosen = tuple(placed.count(name) for name in names)
        assert together(there, chosen) == min(together(there, counts) for counts in outcomes), seed


def together(there, counts):
    """Pairs of instances of the app that share a node."""
    return sum((old + new) * (old + new - 1) // 2 for old, new in zip(there, counts, strict=True))


def test_no_other_way_fills_fewer_equal_nodes():
    rules = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)
    for seed in range(300):
        rng = Random(seed)
        nodes = [
            replace(
                node,
                allocatable=Resources(1000, 1000 * MIB, MIB, 10),
                reserved=Resources(used := rng.choice((0, 0, 300, 500)), used * MIB),
                apps={},
                state="ready",
                taints=(),
                devices=(),
            )
            for node in some_nodes(rng)
        ]
        size = rng.choice((200, 300, 450))
        request = replace(some_request(rng, rng.randint(1, 5), plain=True), resources=Resources(size, size * MIB, 0, 1))
        request = replace(request, rules=rules, constraints=type(request.constraints)(), preferences=(), image="")
        request = replace(request, avoid=frozenset(), stay=frozenset())
        names, outcomes = all_outcomes(nodes, request)
        placed = Cluster(nodes, BINPACK).place(request).nodes
        chosen = tuple(placed.count(name) for name in names)
        assert opened(nodes, chosen) == min(opened(nodes, counts) for counts in outcomes), seed


def opened(nodes, counts):
    """Empty nodes that are empty no more."""
    return sum(bool(count) and not node.reserved.cpu for node, count in zip(nodes, counts, strict=True))
