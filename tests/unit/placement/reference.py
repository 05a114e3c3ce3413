"""The placement again, as plainly as it can be said: every node looked at anew for every instance, no arrays."""

from __future__ import annotations

from dataclasses import replace

from scheduler.model import Distinct, PlacementRules
from scheduler.placement import SPREAD, Bond, Constraints, Node, Profile, Request
from scheduler.placement.labels import parse
from scheduler.placement.state import FULL
from scheduler.placement.units import RESOURCES


def tolerated(taint, request):
    return any(toleration.tolerates(taint) for toleration in request.constraints.tolerations)


def request_of(request, **wish):
    """The request with one hard constraint and no other."""
    require = wish.pop("require", ())
    rules = PlacementRules(spread=(), require=require, distinct_nodes=Distinct.OFF)
    return replace(request, rules=rules, constraints=Constraints(**wish), kept=frozenset())


def single_wishes(request, preference):
    yield from (request_of(request, require=(text,)) for text in preference.require)
    for field in ("nodes", "volumes", "devices", "at_most", "skews", "affinities"):
        wanted = getattr(preference.constraints, field)
        parts = [wanted] if field == "nodes" and wanted else [type(wanted)([one]) for one in wanted]
        yield from (request_of(request, **{field: part}) for part in parts)


class Reference:
    def __init__(self, nodes: list[Node], profile: Profile = SPREAD) -> None:
        self.nodes = {node.name: node for node in sorted(nodes, key=lambda node: node.name)}
        self.profile = profile

    def place(self, request: Request) -> tuple[str, ...]:
        placed: list[str] = []
        while len(placed) < request.count:
            fitting = [name for name in self.nodes if not self.refusals(name, request)]
            if not fitting:
                break
            best = max(fitting, key=lambda name: self.total(name, request))  # of equal ones the first
            placed.append(best)
            self.claim(best, request)
        return tuple(placed)

    def claim(self, name: str, request: Request) -> None:
        node = self.nodes[name]
        devices = list(node.devices)
        for wanted in request.constraints.devices:
            for k in self.choose(node, wanted):
                devices[k] = replace(devices[k], free=devices[k].free - wanted.share)
        self.nodes[name] = replace(
            node,
            reserved=node.reserved + request.resources,
            apps={**node.apps, request.app: node.apps.get(request.app, 0) + 1},
            ports=node.ports | request.constraints.ports,
            devices=tuple(devices),
        )

    def choose(self, node, wanted):
        usable = [
            (device.free, k)
            for k, device in enumerate(node.devices)
            if device.name == wanted.name
            and device.free >= wanted.share
            and (not wanted.models or device.model in wanted.models)
        ]
        return [k for _, k in sorted(usable)[: wanted.count]]

    def labels(self, name):
        return {**self.nodes[name].labels, "node": name}

    def on_value(self, app, label, value):
        return sum(node.apps.get(app, 0) for name, node in self.nodes.items() if self.labels(name).get(label) == value)

    def refusals(self, name, request, *, asked=None):
        """The filters that refuse the node, whatever order; `asked` is whose wish the request is."""
        node, rules, constraints = self.nodes[name], request.rules, request.constraints
        labels = self.labels(name)
        found = []
        if node.state != "ready":
            found.append("state")
        for resource in RESOURCES:
            need = getattr(request.resources, resource)
            if need and need > getattr(node.allocatable, resource) - getattr(node.reserved, resource):
                found.append("resources")
        if not all(parse(text).matches(labels) for text in rules.require):
            found.append("labels")
        if constraints.nodes and name not in constraints.nodes:
            found.append("nodes")
        if name in request.kept:
            found.append("kept")
        if not all(taint.soft or tolerated(taint, request) for taint in node.taints):
            found.append("taints")
        if not constraints.volumes <= node.volumes:
            found.append("volumes")
        if constraints.ports & node.ports:
            found.append("ports")
        if any(len(self.choose(node, wanted)) < wanted.count for wanted in constraints.devices):
            found.append("devices")
        own = node.apps.get(request.app, 0)
        if rules.distinct_nodes is Distinct.REQUIRED and own:
            found.append("distinct_nodes")
        for limit in constraints.at_most:
            value = labels.get(limit.label)
            if value is None or self.on_value(request.app, limit.label, value) >= limit.most:
                found.append("at_most")
        for skew in constraints.skews:
            if self.too_skewed(labels.get(skew.label), skew, asked or request):
                found.append("skew")
        for affinity in constraints.affinities:
            if self.repelled(labels.get(affinity.label), affinity, request):
                found.append("affinity")
        return found

    def too_skewed(self, value, skew, request):
        counted = {
            self.labels(other)[skew.label]
            for other in self.nodes
            if skew.label in self.labels(other) and self.could_ever(other, request)
        }
        counted = {one for one in counted if self.brought_together(skew.label, one, request)}
        if value is None or value not in counted:
            return True
        counts = {one: self.on_value(request.app, skew.label, one) for one in counted}
        return counts[value] + 1 - min(counts.values()) > skew.most

    def could_ever(self, name, request):
        """Whether it could take an instance if nothing were reserved and none of the app were there."""
        node, rules, constraints = self.nodes[name], request.rules, request.constraints
        unused = replace(node, devices=tuple(replace(device, free=1000) for device in node.devices))
        confining = [one for one in constraints.affinities if one.bond is Bond.WITH or one.app != request.app]
        return (
            node.state == "ready"
            and request.resources.fits(node.allocatable)
            and all(parse(text).matches(self.labels(name)) for text in rules.require)
            and (not constraints.nodes or name in constraints.nodes)
            and name not in request.kept
            and all(taint.soft or tolerated(taint, request) for taint in node.taints)
            and constraints.volumes <= node.volumes
            and all(len(self.choose(unused, wanted)) == wanted.count for wanted in constraints.devices)
            and not any(
                self.repelled(self.labels(name).get(affinity.label), affinity, request)
                for affinity in confining
                if affinity.label != "node" or affinity.app == request.app
            )
        )

    def brought_together(self, label, value, request):
        """Whether all that the app wants to share a node with is somewhere on the label's value."""
        return all(
            self.on_value(affinity.app, label, value)
            for affinity in request.constraints.affinities
            if affinity.bond is Bond.WITH and affinity.label == "node" and affinity.app != request.app
        )

    def repelled(self, value, affinity, request):
        there = 0 if value is None else self.on_value(affinity.app, affinity.label, value)
        if affinity.bond is Bond.APART:
            return there > 0
        if value is None:
            return True
        anywhere = sum(
            node.apps.get(affinity.app, 0) for name, node in self.nodes.items() if affinity.label in self.labels(name)
        )
        starts = affinity.app == request.app and not anywhere
        return not there and not starts

    def total(self, name, request):
        node, rules = self.nodes[name], request.rules
        labels = self.labels(name)
        spread = set(rules.spread) | ({"node"} if rules.distinct_nodes is Distinct.PREFERRED else set())
        free = node.allocatable - node.reserved

        def mean_share(amounts, devices):
            shares = [
                amounts.cpu * FULL // max(node.allocatable.cpu, 1),
                amounts.memory * FULL // max(node.allocatable.memory, 1),
            ]
            if node.devices:
                shares.append(devices * FULL // (1000 * len(node.devices)))
            return sum(shares) // len(shares)

        asked = sum(device.count * device.share for device in request.constraints.devices)
        room = mean_share(free, sum(device.free for device in node.devices)) - mean_share(request.resources, asked)
        wishes = [(1, request_of(request, require=(text,))) for text in rules.prefer]
        for preference in request.preferences:
            wishes += [(preference.weight, one) for one in single_wishes(request, preference)]
        total = sum(weight for weight, _ in wishes)
        unmet = sum(FULL * weight // total for weight, wish in wishes if self.unmet(name, wish, request))
        points = {
            "spread": -FULL * sum(self.spread_count(request.app, label, labels.get(label)) for label in spread),
            "room": room,
            "binpack": -room,
            "prefer": -unmet,
            "taints": -FULL * sum(taint.soft and not tolerated(taint, request) for taint in node.taints),
            "avoid": -FULL * (name in request.avoid),
            "stay": FULL * (name in request.stay),
            "image": 0 if not request.image or request.image in node.images else -(FULL >> 4),
        }
        return sum(weight * points[score] for score, weight in self.profile.weights.items())

    def unmet(self, name, wish, asked):
        return bool(set(self.refusals(name, wish, asked=asked)) - {"state", "resources", "taints"})

    def spread_count(self, app, label, value):
        return sum(node.apps.get(app, 0) for name, node in self.nodes.items() if self.labels(name).get(label) == value)
