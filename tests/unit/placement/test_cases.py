"""The semantics that the peers document, case by case; see tables.py for the words of the cases."""

from collections import Counter
from copy import deepcopy

import pytest

from scheduler.placement import PRESETS, Cluster
from tests.unit.placement.reference import Reference
from tests.unit.placement.tables import node_of, request_of, tables

CASES = dict(tables())


def test_there_are_enough_cases_and_each_says_what_it_expects():
    assert len(CASES) >= 120
    assert all("placed" in case for case in CASES.values())
    assert len({name.partition(": ")[2] for name in CASES}) == len(CASES)


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    case = deepcopy(CASES[name])
    nodes = [node_of(name, table) for name, table in case["nodes"].items()]
    request = request_of(case["request"])
    cluster = Cluster(nodes, PRESETS[case.get("profile", "spread")])
    decision = cluster.place(request)
    assert Counter(decision.nodes) == case["placed"]
    assert decision.explanation.pending == request.count - sum(case["placed"].values())
    if "devices" in case:
        assert [list(given) for given in decision.devices] == case["devices"]
    if "remedies" in case:
        assert list(map(str, decision.explanation.remedies)) == case["remedies"]
    if "summary" in case:
        assert str(decision.explanation.summary()) == case["summary"]
    if "refused" in case:
        assert refusals(decision.explanation) == {node: sorted(filters) for node, filters in case["refused"].items()}


@pytest.mark.parametrize("name", CASES)
def test_the_plain_placement_agrees_with_the_case(name):
    case = deepcopy(CASES[name])
    if case.get("profile", "spread") in ("binpack", "fragmentation", "balanced"):
        return
    nodes = [node_of(name, table) for name, table in case["nodes"].items()]
    assert Counter(Reference(nodes).place(request_of(case["request"]))) == case["placed"]


def refusals(explanation):
    found = {
        report.node: sorted(verdict.filter for verdict in report.verdicts if not verdict.fits)
        for report in explanation.nodes
    }
    return {name: filters for name, filters in found.items() if filters}
