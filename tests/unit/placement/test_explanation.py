"""What the explanation says is true: it is carried out, and then it fits."""

import json
import re
from dataclasses import replace
from itertools import product
from random import Random

from scheduler.model import Distinct, Resources
from scheduler.placement import AtMost, Cluster, Device, Node, Skew, place
from scheduler.placement.kind import Kind
from scheduler.placement.newcomer import newcomer
from scheduler.reasons import in_english
from tests.unit.placement.reference import Reference
from tests.unit.placement.worlds import GIB, MIB, some_nodes, some_request

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": MIB, "GiB": GIB, "cores": 1000}
ROOM = Resources(64_000, 256 * GIB, 1000 * GIB, 100)


def pending(seeds, most=6):
    for seed in seeds:
        rng = Random(seed)
        nodes, request = some_nodes(rng, most), some_request(rng, 1)
        explanation = place(nodes, request).explanation
        if explanation.pending:
            yield seed, nodes, request, explanation


def test_reasons_are_counted_on_all_nodes_and_alone():
    for seed, nodes, request, explanation in pending(range(200)):
        reports = [[v for v in report.verdicts if not v.fits] for report in explanation.nodes]
        for shortage in explanation.shortages:
            key = shortage.filter, shortage.subject
            said = [[(v.filter, v.subject) for v in failing] for failing in reports]
            assert shortage.nodes == sum(key in failing for failing in said), seed
            assert shortage.alone == sum(failing == [key] for failing in said), seed
        assert sum(map(len, reports)) == sum(shortage.nodes for shortage in explanation.shortages), seed
        counts = [shortage.nodes for shortage in explanation.shortages]
        assert counts == sorted(counts, reverse=True), seed
        assert len(nodes) == len(reports)
        assert {v.filter for failing in reports for v in failing} == {
            name for node in nodes for name in Reference(nodes).refusals(node.name, request)
        }, seed


def test_what_is_stored_of_an_explanation_says_the_same():
    for seed, _, _, explanation in pending(range(200)):
        shown = in_english(json.loads(json.dumps(explanation.as_dict())))
        assert shown["summary"] == str(explanation.summary()), seed
        assert shown["remedies"] == list(map(str, explanation.remedies)), seed
        said = [(one["detail"], one["remedy"]) for one in shown["shortages"]]
        assert said == [(str(one.detail), str(one.remedy or "")) for one in explanation.shortages], seed
        for node in shown["nodes"]:
            verdicts = explanation.node(node["node"]).verdicts
            assert [one["detail"] for one in node["verdicts"]] == [str(one.detail) for one in verdicts], seed


def test_the_node_that_is_asked_for_takes_the_instance():
    asked = 0
    for seed, nodes, request, explanation in pending(range(400)):
        found = newcomer(Kind(Cluster(nodes).state, request, Cluster(nodes).profile))
        assert (found and found.reason()) == explanation.new_node
        if found is not None:
            asked += 1
            assert place([*nodes, joining(found.name or "zz", found.labels)], request).nodes == (found.name or "zz",), (
                seed
            )
    assert asked > 50


def test_no_node_is_asked_for_when_none_would_help():
    for seed, nodes, request, explanation in pending(range(300)):
        if not explanation.new_node:
            for zone, disk, cores, gpu in product(("a", "b", "c", "new"), ("ssd", "hdd"), "28", ({}, {"gpu": "yes"})):
                joins = joining("zz", {"zone": zone, "disk": disk, "cores": cores, **gpu})
                assert not place([*nodes, joins], request).nodes, seed


def joining(name, labels):
    devices = tuple(Device("gpu", model) for model in ("t4", "t4", "v100"))
    return Node(name, labels, "ready", ROOM, Resources(), devices=devices)


def test_each_change_that_is_offered_is_enough():
    carried_out = set()
    for seed, nodes, request, explanation in pending(range(600)):
        for remedy in explanation.remedies:
            if remedy == explanation.new_node:
                continue
            world = {node.name: node for node in nodes}, request
            for part in str(remedy).split(" and "):
                world = carry_out(part, *world)
                carried_out.add(re.sub(r"\d+", "", part.split(" on ")[0]))
            if touches_more(str(remedy), request.constraints):
                continue
            assert place(list(world[0].values()), world[1]).nodes, (seed, remedy)
    assert len(carried_out) > 20


def touches_more(remedy, constraints):
    """Whether other constraints look at what changes: the node's place, which values a skew counts, the same app."""
    if len({one.app for one in constraints.affinities}) < len(constraints.affinities):
        return True
    labels = {one.label for one in (*constraints.at_most, *constraints.affinities)}
    relabelled = any(label in remedy for label in labels - {"node"}) and " on node " in remedy
    places = "ready|kept|required|==|!=|zone|among|toleration|whole"
    return relabelled or (constraints.skews and re.search(places, remedy))


def test_less_would_not_be_enough():
    for seed, nodes, request, explanation in pending(range(400)):
        for remedy in map(str, explanation.remedies):
            if (found := LESS.fullmatch(remedy)) and found[3] != "disk":
                changed, less = carry_out(remedy, {node.name: node for node in nodes}, request)
                one = replace(less.resources, **{found[3]: getattr(less.resources, found[3]) + 1})
                assert not place(list(changed.values()), replace(less, resources=one)).nodes, (seed, remedy)


LESS = re.compile(r"([0-9.]+) (\w+) less (cpu|memory|disk) \(on node (\S+)\)")
ON_NODE = re.compile(r"(.*) on node (\S+)")


def carry_out(text, nodes, request):
    """The nodes and the request after the change that `text` asks for."""
    rules, constraints = request.rules, request.constraints
    if found := LESS.fullmatch(text):
        less = round(float(found[1]) * UNITS[found[2]])
        figure = getattr(request.resources, found[3]) - less
        return nodes, replace(request, resources=replace(request.resources, **{found[3]: figure}))
    if found := re.fullmatch(r"(\d+) fewer instances \(on node (\S+)\)", text):
        node = nodes[found[2]]
        fewer = node.reserved - Resources(instances=int(found[1]))
        return {**nodes, node.name: replace(node, reserved=fewer)}, request
    if found := re.fullmatch(r"node (\S+) ready again", text):
        return {**nodes, found[1]: replace(nodes[found[1]], state="ready")}, request
    if found := re.fullmatch(r"node (\S+) no longer kept", text):
        return nodes, replace(request, kept=request.kept - {found[1]})
    if found := re.fullmatch(r"a skew of (\d+) over zone", text):
        return nodes, replace(request, constraints=replace(constraints, skews=(Skew("zone", int(found[1])),)))
    if found := re.fullmatch(r"(\d+) instances of the app allowed on one (\S+)", text):
        limits = tuple(
            AtMost(limit.label, int(found[1])) if limit.label == found[2] else limit for limit in constraints.at_most
        )
        rules = replace(rules, distinct_nodes=Distinct.OFF)
        return nodes, replace(request, rules=rules, constraints=replace(constraints, at_most=limits))
    if found := re.fullmatch(r"a toleration of (.*)", text):
        return {name: replace(node, taints=()) for name, node in nodes.items()}, request
    if found := re.fullmatch(r"(an|no) instance of (\S+) on (\S+) (\S+)", text):
        there = [n for n in nodes.values() if {**n.labels, "node": n.name}.get(found[3]) == found[4]]
        changed = {n.name: replace(n, apps={**n.apps, found[2]: int(found[1] == "an")}) for n in there}
        return {**nodes, **changed}, request
    if found := re.fullmatch(r"a label (\S+) on node (\S+)", text):
        node = nodes[found[2]]
        return {**nodes, node.name: replace(node, labels={**node.labels, found[1]: "new"})}, request
    if found := re.fullmatch(r"(\S+) among the nodes it may run on", text):
        return nodes, replace(request, constraints=replace(constraints, nodes=constraints.nodes | {found[1]}))
    if found := re.fullmatch(r"volume (\S+) moved to node (\S+)", text):
        return {**nodes, found[2]: replace(nodes[found[2]], volumes=frozenset({found[1]}))}, request
    if found := re.fullmatch(r"(.*) no longer required", text):
        require = tuple(one for one in rules.require if one != found[1])
        return nodes, replace(request, rules=replace(rules, require=require))
    found = ON_NODE.fullmatch(text)
    assert found, text
    node = nodes[found[2]]
    if port := re.fullmatch(r"port (\d+) free", found[1]):
        return {**nodes, node.name: replace(node, ports=node.ports - {int(port[1])})}, request
    if found[1].endswith("gpu free") or " of a gpu" in found[1]:
        devices = tuple(Device("gpu", model) for model in ("t4", "t4"))
        return {**nodes, node.name: replace(node, devices=devices)}, request
    return {**nodes, node.name: replace(node, labels=labels_with(found[1], node.labels))}, request


def labels_with(expression, labels):
    """Labels that satisfy the expression."""
    label = next(word for word in expression.split() if word not in ("not", "exists"))
    meant = {
        "disk == ssd": "ssd",
        "zone != a": "b",
        "zone in (a, b)": "a",
        "exists gpu": "yes",
        "cores > 4": "8",
    }.get(expression, expression.partition(" == ")[2])
    return {**{k: v for k, v in labels.items() if k != label}, **({label: meant} if meant else {})}
