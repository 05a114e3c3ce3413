"""What a wrong engine cannot pass: random clusters, against the placement said plainly and against its promises."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from scheduler.model import Resources
from scheduler.placement import BALANCED, BINPACK, FRAGMENTATION, SPREAD, Cluster, Profile, place
from tests.unit.placement.reference import Reference
from tests.unit.placement.worlds import some_node, some_nodes, some_request

SEEDS = range(100)
# what a preset learns from the requests so far has no plain twin
LEARNT = {"fragmentation", "stranded"}
PACK = Profile("pack", {score: weight for score, weight in BINPACK.weights.items() if score not in LEARNT})


@pytest.mark.parametrize("profile", [SPREAD, PACK], ids=lambda profile: profile.name)
@pytest.mark.parametrize("most", [6, 40])
def test_every_placement_is_the_best_of_all_nodes(profile, most):
    for seed in SEEDS:
        rng = Random(seed)
        nodes = some_nodes(rng, most)
        plain, cluster = Reference(nodes, profile), Cluster(nodes, profile)
        for step in range(6):
            request = some_request(rng)
            assert cluster.place(request).nodes == plain.place(request), (seed, step)


@pytest.mark.parametrize("profile", [SPREAD, BINPACK, BALANCED, FRAGMENTATION], ids=lambda profile: profile.name)
def test_many_at_once_go_where_they_go_one_by_one(profile):
    for seed in SEEDS:
        rng = Random(seed)
        nodes = some_nodes(rng, 30)
        at_once, one_by_one = Cluster(nodes, profile), Cluster(nodes, profile)
        for step in range(5):
            request = some_request(rng, rng.choice((1, 5, 40)))
            single = replace(request, count=1)
            singles = [placed[0] for placed in one_by_one.place_many([single] * request.count) if placed]
            assert list(at_once.place_many([request])[0]) == singles, (seed, step)


def test_equal_requests_get_equal_verdicts():
    for seed in SEEDS:
        rng = Random(seed)
        nodes, request = some_nodes(rng), some_request(rng)
        again = replace(request, constraints=replace(request.constraints))
        first, second = place(nodes, request), place(list(reversed(nodes)), again)
        assert first.nodes == second.nodes
        assert first.explanation.as_dict() == second.explanation.as_dict()


def test_capacity_and_hard_constraints_are_never_broken():
    for seed in SEEDS:
        rng = Random(seed)
        nodes = some_nodes(rng)
        cluster, after = Cluster(nodes, rng.choice((SPREAD, BINPACK, BALANCED))), Reference(nodes)
        for _ in range(8):
            request = some_request(rng)
            for name in cluster.place(request).nodes:
                assert after.refusals(name, request) == [], seed
                after.claim(name, request)


def test_what_is_pending_fits_nowhere():
    for seed in SEEDS:
        rng = Random(seed)
        nodes, request = some_nodes(rng), some_request(rng)
        decision, after = place(nodes, request), Reference(nodes)
        for name in decision.nodes:
            after.claim(name, request)
        if len(decision.nodes) < request.count:
            assert all(after.refusals(name, request) for name in after.nodes), seed


def test_a_node_that_joins_empty_never_makes_a_feasible_request_infeasible():
    feasible = 0
    for seed in range(2000):
        rng = Random(seed)
        nodes, request = some_nodes(rng), some_request(rng, 1)
        if place(nodes, request).nodes:
            feasible += 1
            joins = replace(some_node(rng, "n99"), apps={}, reserved=Resources(), ports=frozenset())
            joins = replace(joins, devices=tuple(replace(device, free=1000) for device in joins.devices))
            if rng.random() < 0.5:
                joins = replace(joins, labels={**joins.labels, "zone": "new"})
            assert place([*nodes, joins], request).nodes, seed
    assert feasible > 500


def test_what_is_released_can_be_placed_again_at_the_same_place():
    for seed in SEEDS:
        rng = Random(seed)
        nodes = some_nodes(rng, 20)
        cluster = Cluster(nodes)
        cluster.place(some_request(rng))
        request = some_request(rng)
        first = cluster.place(request)
        for name, devices in zip(first.nodes, first.devices, strict=True):
            cluster.release(name, request, devices)
        assert cluster.place(request).nodes == first.nodes, seed


def test_a_cluster_that_is_told_of_changes_is_as_good_as_a_new_one():
    for seed in SEEDS:
        rng = Random(seed)
        nodes = some_nodes(rng, 20)
        told = Cluster(nodes)
        for step in range(4):
            told.place(replace(some_request(rng), app="g/other"))
            n = rng.randrange(len(nodes))
            nodes[n] = some_node(rng, nodes[n].name)
            for node in nodes:  # what was placed meanwhile is gone
                told.update(node)
            request = some_request(rng)
            assert told.place(request).nodes == place(nodes, request).nodes, (seed, step)
            for node in nodes:
                told.update(node)


def test_a_cluster_that_nodes_join_and_leave_is_as_good_as_a_new_one():
    for seed in SEEDS:
        rng = Random(seed)
        cluster = Cluster(some_nodes(rng, 10))
        for step in range(5):
            cluster.place(some_request(rng))
            names = [node.name for node in cluster.nodes]
            gone = rng.sample(names, min(len(names), rng.choice((0, 1))))
            joins = [some_node(rng, f"n{rng.randrange(20):02d}") for _ in range(rng.choice((0, 1, 2)))]
            expected = {node.name: node for node in cluster.nodes if node.name not in gone}
            expected |= {node.name: node for node in joins}
            cluster.refresh(joins, set(gone) - {node.name for node in joins})
            assert cluster.nodes == [expected[name] for name in sorted(expected)], (seed, step)
            request = some_request(rng)
            assert cluster.place(request).nodes == place(list(expected.values()), request).nodes, (seed, step)


def test_the_nodes_of_a_cluster_have_all_that_was_claimed():
    for seed in SEEDS:
        rng = Random(seed)
        nodes = some_nodes(rng, 10)
        cluster, plain = Cluster(nodes), Reference(nodes)
        for _ in range(5):
            request = some_request(rng)
            for name in cluster.place(request).nodes:
                plain.claim(name, request)
        for node, expected in zip(cluster.nodes, plain.nodes.values(), strict=True):
            assert node.reserved == expected.reserved, seed
            assert (node.ports, node.devices) == (expected.ports, expected.devices), seed
            assert Counter(node.apps) == Counter(expected.apps), seed


def test_every_no_names_a_reason_which_once_lifted_changes_the_verdict():
    lifted = 0
    for seed in SEEDS:
        rng = Random(seed)
        nodes, request = some_nodes(rng), some_request(rng, 1)
        for report in place(nodes, request).explanation.nodes:
            plain = Reference(nodes)
            said = {verdict.filter for verdict in report.verdicts if not verdict.fits}
            assert said == set(plain.refusals(report.node, request)), (seed, report.node)
            if said:
                lifted += 1
                lifts = lift(said, request, plain, report.node)
                # with fewer hard constraints, more values of a label count for the skew
                assert not {*plain.refusals(report.node, lifts)} - {"skew"}, (seed, report.node)
                if not request.constraints.skews or "skew" in said:
                    assert not plain.refusals(report.node, lifts), (seed, report.node)
    assert lifted > 100


def lift(reasons, request, plain, name):
    """The request without what the explanation says stands in the way on a node; changes the node where it has to."""
    node, rules, constraints = plain.nodes[name], request.rules, request.constraints
    if "state" in reasons:
        node = replace(node, state="ready")
    if "resources" in reasons:
        node = replace(node, reserved=Resources())
        request = replace(request, resources=Resources(instances=1))
    if "labels" in reasons:
        rules = replace(rules, require=())
    if "distinct_nodes" in reasons:
        rules = replace(rules, distinct_nodes="off")
    emptied = {"nodes": "nodes", "volumes": "volumes", "ports": "ports"}
    emptied |= {"devices": "devices", "at_most": "at_most", "skew": "skews", "affinity": "affinities"}
    for reason, field in emptied.items():
        if reason in reasons:
            constraints = replace(constraints, **{field: type(getattr(constraints, field))()})
    if "taints" in reasons:
        node = replace(node, taints=())
    plain.nodes[name] = node
    kept = frozenset() if "kept" in reasons else request.kept
    return replace(request, rules=rules, constraints=constraints, kept=kept)
