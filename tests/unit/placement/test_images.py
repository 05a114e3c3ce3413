"""Where an image is, and what it costs to fetch it elsewhere."""

from dataclasses import replace

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import Cluster, Node, Profile, Request

MIB = 1 << 20
ROOM = Resources(16_000, 64 << 30, 64 << 30, 100)
LOOSE = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)
PROFILE = Profile("image", {"image": 2})
WANTED = Request("g/web", "g", Resources(100, 100, 0, 1), 1, LOOSE, image="i")


def node(name, **images):
    return Node(name, {}, "ready", ROOM, Resources(), images=images)


def details(cluster):
    reports = cluster.explain(WANTED, PROFILE).nodes
    return {report.node: (str(report.scores[0].detail), report.scores[0].points) for report in reports}


def test_a_node_without_the_image_fetches_what_another_one_has():
    cluster = Cluster([node("a"), node("b", i=256 * MIB), node("c", other=MIB)], PROFILE)
    assert details(cluster) == {"a": ("256 MiB to fetch", -250), "b": ("has it", 0), "c": ("256 MiB to fetch", -250)}
    assert cluster.place(WANTED).nodes == ("b",)


def test_an_image_of_which_nobody_knows_makes_no_difference():
    found = details(Cluster([node("a"), node("b", other=MIB)], PROFILE))
    assert len(set(found.values())) == 1
    assert found["a"][0] == "no node is known to have it"


def test_where_it_is_counts_even_if_nobody_says_how_large_it_is():
    cluster = Cluster([node("a"), node("b", i=0)], PROFILE)
    assert details(cluster) == {"a": ("to fetch, of unknown size", -63), "b": ("has it", 0)}
    assert cluster.place(WANTED).nodes == ("b",)


def test_of_several_sizes_the_largest_holds():
    nodes = [node("a"), node("b", i=64 * MIB), node("c", i=128 * MIB)]
    assert details(Cluster(nodes, PROFILE))["a"] == details(Cluster(nodes[::-1], PROFILE))["a"]
    assert details(Cluster(nodes, PROFILE))["a"] == ("128 MiB to fetch", -125)


def test_an_image_that_comes_goes_or_grows_is_heard_of():
    cluster = Cluster([node("a"), node("b")], PROFILE)
    assert cluster.place(WANTED).nodes == ("a",)
    for images, chosen, said in (
        ({"i": 64 * MIB}, "b", "64 MiB to fetch"),
        ({"i": 128 * MIB}, "b", "128 MiB to fetch"),
        ({}, "a", "no node is known to have it"),
    ):
        cluster.refresh([replace(cluster.nodes[1], images=images)])
        assert cluster.place(WANTED).nodes == (chosen,)
        assert details(cluster)["a"][0] == said
