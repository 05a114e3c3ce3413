import json

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import BINPACK, Node, Request, place

MIB = 1 << 20
GIB = 1 << 30


def node(name, *, labels=None, state="ready", free=GIB, **more):
    allocatable = Resources(4000, 4 * GIB, 100 * GIB, 10)
    return Node(name, labels or {}, state, allocatable, Resources(memory=4 * GIB - free), **more)


def request(count=1, *, memory=512 * MIB, **more):
    rules = PlacementRules(
        **{key: more.pop(key) for key in ("spread", "require", "prefer", "distinct_nodes") if key in more}
    )
    return Request("g/web", "g", Resources(250, memory, 0, 1), count, rules, **more)


def test_instances_are_spread_and_ties_go_by_name():
    assert place([node("c"), node("a"), node("b")], request(4)).nodes == ("a", "b", "c", "a")


def test_binpack_fills_the_fullest_node_first():
    nodes = [node("a", free=4 * GIB), node("b", free=2 * GIB)]
    assert place(nodes, request(2, spread=(), distinct_nodes=Distinct.OFF), BINPACK).nodes == ("b", "b")


def test_what_does_not_fit_is_explained_with_its_figures():
    nodes = [node("a", free=300 * MIB), node("b", free=200 * MIB), node("c", labels={"disk": "hdd"})]
    nodes = [
        n if n.labels else Node(n.name, {"disk": "ssd"}, *[getattr(n, k) for k in ("state", "allocatable", "reserved")])
        for n in nodes
    ]
    decision = place(nodes, request(require=("disk == ssd",)))
    assert decision.nodes == ()
    assert str(decision.explanation.summary()) == (
        "0 of 3 nodes fit: memory short on 2 (needs 512 MiB, at most 300 MiB free), label disk == ssd missing on 1"
    )
    details = [str(verdict.detail) for verdict in decision.explanation.node("a").verdicts if not verdict.fits]
    assert details == ["memory: needs 512 MiB, 300 MiB free of 4 GiB"]
    assert json.loads(json.dumps(decision.explanation.as_dict()))["pending"] == 1


def test_reasons_are_kept_when_some_instances_did_fit():
    decision = place([node("a"), node("b", state="down")], request(3))
    assert decision.nodes == ("a", "a")
    assert str(decision.explanation.summary()).startswith("2 of 3 placed, then 0 of 2 nodes fit: ")
    assert {shortage.filter for shortage in decision.explanation.shortages} == {"resources", "state"}


def test_a_node_it_failed_on_is_used_only_when_no_other_fits():
    nodes = [node("a"), node("b", apps={"g/web": 5})]
    assert place(nodes, request(avoid=frozenset({"a"}))).nodes == ("b",)
    assert place(nodes[:1], request(avoid=frozenset({"a"}))).nodes == ("a",)


def test_distinct_nodes_when_required_leave_the_rest_pending():
    decision = place([node("a"), node("b")], request(3, distinct_nodes=Distinct.REQUIRED))
    assert decision.nodes == ("a", "b")
    assert "an instance of the app already on 2" in str(decision.explanation.summary())
