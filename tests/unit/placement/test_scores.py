"""What the scores that learn prefer."""

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import BINPACK, Cluster, Node, Profile, Request
from scheduler.placement.scores import SCORES

GIB = 1 << 30
LOOSE = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)
STRANDED = Profile("stranded", {"stranded": 1})


def node(name, cpu, memory, of=(16, 64)):
    """`cpu` cores and `memory` GiB free of so many."""
    all_of_it = Resources(of[0] * 1000, of[1] * GIB, GIB, 100)
    return Node(name, {}, "ready", all_of_it, Resources((of[0] - cpu) * 1000, (of[1] - memory) * GIB))


def request(cpu, memory):
    return Request("g/web", "g", Resources(cpu * 1000, memory * GIB, 0, 1), 1, LOOSE)


def best(nodes, wanted, profile=STRANDED):
    return Cluster(nodes, profile).place(wanted).nodes


def test_an_instance_goes_where_it_takes_what_is_stranded():
    # four GiB a core are reserved in all: a has cores to spare, b memory
    nodes = [node("a", 8, 16), node("b", 4, 48), node("c", 8, 32), node("used", 0, 0)]
    assert best(nodes, request(4, 4)) == ("a",)
    assert best(nodes, request(1, 16)) == ("b",)


def test_what_is_typical_is_what_is_reserved_and_not_what_nodes_have():
    fat, lean = node("fat", 16, 64), node("lean", 16, 16, of=(16, 16))
    assert best([fat, lean, node("used", 0, 0, of=(64, 64))], request(1, 8)) == ("fat",)
    assert best([fat, lean, node("used", 0, 0, of=(64, 64))], request(1, 1)) == ("fat",)  # alike, so by name
    assert best([fat, lean, node("used", 0, 0, of=(16, 64))], request(1, 1)) == ("lean",)


def test_any_score_alone_decides_as_it_says():
    nodes = [node("a", 8, 16), node("b", 4, 48), node("c", 8, 32), node("d", 12, 20)]
    for score in SCORES:
        for wanted in (request(4, 4), request(1, 16), request(2, 8)):
            cluster = Cluster(nodes, Profile("alone", {score: 1}))
            explanation = cluster.explain(wanted)
            (chosen,) = cluster.place(wanted).nodes
            assert explanation.node(chosen).total == max(report.total for report in explanation.nodes), score


def test_nothing_is_stranded_while_nothing_is_reserved():
    nodes = [node("a", 16, 64), node("b", 16, 64)]
    explanation = Cluster(nodes, STRANDED).explain(request(1, 60))
    assert [report.scores[0].points for report in explanation.nodes] == [0, 0]


def test_binpack_takes_the_fuller_node_when_neither_would_strand_anything():
    nodes = [node("a", 8, 32), node("b", 4, 16), node("used", 0, 0)]
    assert best(nodes, request(1, 4), BINPACK) == ("b",)
