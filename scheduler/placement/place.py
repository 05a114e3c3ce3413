"""One request after the other: filter the nodes, score those that fit, take the best; ties go by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scheduler.model import Distinct, Resources
from scheduler.placement.explanation import Explanation, NodeReport, Score, Shortage, Verdict
from scheduler.placement.labels import NODE, parse
from scheduler.placement.profiles import SPREAD, Profile
from scheduler.placement.units import RESOURCES, amount
from scheduler.placement.values import Decision, Node, Request

POINTS = 1000  # the most that a score gives, except for `spread`, which takes as many for each instance already there


def place(nodes: Sequence[Node], request: Request, profile: Profile = SPREAD) -> Decision:
    """Find nodes for the request's instances, one after the other. Raises `ValueError` for a malformed expression."""
    now = {node.name: node for node in sorted(nodes, key=lambda node: node.name)}
    chosen: list[str] = []
    reports = _look(now, request, profile)
    while len(chosen) < request.count:
        fitting = [report for report in reports if report.fits]
        if not fitting:
            break
        best = max(fitting, key=lambda report: report.total)
        chosen.append(best.node)
        now[best.node] = _with_one(now[best.node], request)
        if len(chosen) < request.count:
            reports = _look(now, request, profile)
    shortages = _shortages(now, request, reports) if len(chosen) < request.count else ()
    return Decision(tuple(chosen), Explanation(request.count, len(chosen), tuple(reports), shortages))


def _with_one(node: Node, request: Request) -> Node:
    apps = {**node.apps, request.app: node.apps.get(request.app, 0) + 1}
    return replace(node, reserved=node.reserved + _need(request), apps=apps)


def _need(request: Request) -> Resources:
    return replace(request.resources, instances=request.resources.instances or 1)


def _look(nodes: dict[str, Node], request: Request, profile: Profile) -> list[NodeReport]:
    require = [parse(text) for text in request.rules.require]
    prefer = [parse(text) for text in request.rules.prefer]
    taken = {label: _taken(nodes, request.app, label) for label in request.rules.spread}

    def verdicts(node: Node) -> Iterator[Verdict]:
        yield Verdict("state", node.state, node.state == "ready", f"the node is {node.state}")
        free, need = node.allocatable - node.reserved, _need(request)
        for name in RESOURCES:
            wants, has, of = (getattr(amounts, name) for amounts in (need, free, node.allocatable))
            detail = f"{name}: needs {amount(name, wants)}, {amount(name, has)} free of {amount(name, of)}"
            yield Verdict("resources", name, wants <= has or not wants, detail)
        for expression in require:
            value = _labels(node).get(expression.label)
            has_label = f"{expression.label} is {value}" if value is not None else f"it has no label {expression.label}"
            yield Verdict("labels", str(expression), expression.holds(value), f"needs {expression}, {has_label}")
        if request.rules.distinct_nodes is Distinct.REQUIRED:
            there = node.apps.get(request.app, 0)
            yield Verdict("distinct_nodes", request.app, not there, f"it runs {there} of the app already")

    def scores(node: Node) -> Iterator[Score]:
        labels = _labels(node)
        loaded = _load(node, request)
        points = {
            "spread": -POINTS * sum(counts[labels.get(label)] for label, counts in taken.items()),
            "room": POINTS - loaded,
            "binpack": loaded,
            "prefer": POINTS * sum(expression.matches(labels) for expression in prefer),
            "avoid": -POINTS * (node.name in request.avoid),
        }
        for name, weight in profile.weights.items():
            yield Score(name, weight, points[name])

    return [NodeReport(node.name, tuple(verdicts(node)), tuple(scores(node))) for node in nodes.values()]


def _labels(node: Node) -> dict[str, str]:
    return {**node.labels, NODE: node.name}


def _load(node: Node, request: Request) -> int:
    """The mean share of CPU and memory that is reserved once the instance is there, in thousandths."""
    after = node.reserved + _need(request)
    shares = (
        (after.cpu, node.allocatable.cpu),
        (after.memory, node.allocatable.memory),
    )
    return sum(POINTS * used // of if of else POINTS for used, of in shares) // len(shares)


def _taken(nodes: dict[str, Node], app: str, label: str) -> Counter[str | None]:
    """How many of the app's instances each value of the label has."""
    counts: Counter[str | None] = Counter()
    for node in nodes.values():
        counts[_labels(node).get(label)] += node.apps.get(app, 0)
    return counts


def _shortages(nodes: dict[str, Node], request: Request, reports: list[NodeReport]) -> tuple[Shortage, ...]:
    failing: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    alone: Counter[tuple[str, str]] = Counter()
    for report in reports:
        reasons = [(verdict.filter, verdict.subject) for verdict in report.verdicts if not verdict.fits]
        for reason in reasons:
            failing[reason].append(report.node)
            alone[reason] += len(reasons) == 1
    found = []
    for (name, subject), names in failing.items():
        detail = _detail(name, subject, [nodes[node] for node in names], request)
        found.append(Shortage(name, subject, len(names), alone[name, subject], detail))
    return tuple(sorted(found, key=lambda shortage: (-shortage.nodes, -shortage.alone)))


def _detail(name: str, subject: str, nodes: list[Node], request: Request) -> str:
    match name:
        case "resources":
            most = max(getattr(node.allocatable - node.reserved, subject) for node in nodes)
            needs = amount(subject, getattr(_need(request), subject))
            return f"{subject} short on {len(nodes)} (needs {needs}, at most {amount(subject, most)} free)"
        case "labels":
            return f"label {subject} missing on {len(nodes)}"
        case "distinct_nodes":
            return f"an instance of the app already on {len(nodes)}"
        case _:
            return f"{len(nodes)} {subject}"
