"""The nodes as columns: one array a figure, one entry a node, in the order of their names.

Whatever changes on a node is written to a log; who keeps something per node (see `kind.py`) catches up from there,
so the cost of a change does not depend on the number of nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.placement.devices import DeviceTable
from scheduler.placement.labels import NODE, Expression, Operator
from scheduler.placement.units import RESOURCES
from scheduler.placement.values import Node, Taint

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FULL = 1 << 16  # a share of 1, in the arrays
_LOG_ENTRIES = 1 << 18


@dataclass(frozen=True, slots=True)
class Column:
    """One label over all nodes: `codes[node]` is a position in `values`; nodes without the label have the last."""

    codes: Ints
    values: tuple[str | None, ...]

    @property
    def missing(self) -> int:
        return len(self.values) - 1


@dataclass(frozen=True, slots=True)
class Layout:
    """The nodes sorted by the values of some labels, so that each combination of values is one stretch."""

    order: Ints  # position -> node
    position: Ints  # node -> position
    starts: Ints  # first position of each stretch
    bounds: tuple[int, ...]  # the same, with the end of the last
    codes: dict[str, Ints]  # label -> its code in each stretch


class State:
    """Nodes and what is claimed on them. Figures are whole numbers: thousandths of a core, bytes, instances."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.names = [node.name for node in self.nodes]
        self.index = {name: n for n, name in enumerate(self.names)}
        if len(self.index) != len(self.nodes):
            raise ValueError("two nodes have the same name")
        self.size = len(self.nodes)
        self.allocatable = _columns(node.allocatable for node in self.nodes)
        self.free = self.allocatable - _columns(node.reserved for node in self.nodes)
        self.apps: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for n, node in enumerate(self.nodes):
            for app, count in node.apps.items():
                if count:
                    self.apps[app][n] = count
        self.devices: dict[str, DeviceTable] = {}
        self._load_devices()
        self.log = np.zeros(_LOG_ENTRIES, np.int32)
        self.end = 0  # of the log
        self.epoch = 0  # how often the log began anew
        self.version = 0  # of all that no placement changes: labels, states, taints, capacity
        self._taken_ports: dict[int, Bools] = {}
        self._watched: dict[str, Ints] = {}
        self._tallies: dict[str, dict[str, Ints]] = {}
        self._forget()

    def _forget(self) -> None:
        """Drop what was derived from the nodes' fixed properties."""
        self.version += 1
        self._slack_of = [np.maximum(self.allocatable[r], 1).tolist() for r in (0, 1)]
        self.slack = self.mean_share(self.free[0], self.free[1], np.arange(self.size))
        self._masks: dict[Expression, Bools] = {}
        self._columns: dict[str, Column] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._tallies.clear()

    def _load_devices(self, changed: int | None = None) -> None:
        names = {device.name for node in self.nodes for device in node.devices}
        before = self.devices
        self.devices = {name: DeviceTable(self.nodes, name) for name in sorted(names)}
        if changed is not None:
            for name in self.devices.keys() & before.keys():
                self.devices[name].take_over(before[name], changed)

    def mean_share(self, cpu: Ints, memory: Ints, nodes: Ints) -> Ints:
        """The mean of the shares that these amounts of CPU and memory are of what the nodes have, in `FULL`ths."""
        of = np.maximum(self.allocatable[:2].take(nodes, 1), 1)
        share: Ints = (cpu * FULL // of[0] + memory * FULL // of[1]) >> 1
        return share

    # changes

    def claim(self, n: int, need: Ints, app: str, sign: int = 1) -> None:
        """Take `need` from node `n` for one instance of `app`; with `sign` -1, give it back."""
        free = self.free
        if sign > 0:
            free[:, n] -= need
        else:
            free[:, n] += need
        cpu, memory = free[:2, n].tolist()
        self.slack[n] = (cpu * FULL // self._slack_of[0][n] + memory * FULL // self._slack_of[1][n]) >> 1
        self.count(app, n, sign)
        end = self.end
        if end == _LOG_ENTRIES:
            self._begin_log()
            end = 0
        self.log[end] = n
        self.end = end + 1

    def claim_many(self, chosen: Ints, times: Ints, need: Ints, app: str) -> None:
        """Take `need` from each of the nodes `chosen` (no node twice), `times` over."""
        self.free[:, chosen] -= need[:, None] * times
        free = self.free[:2].take(chosen, 1)
        self.slack[chosen] = self.mean_share(free[0], free[1], chosen)
        counts = self.apps[app]
        for n, more in zip(chosen.tolist(), times.tolist(), strict=True):
            counts[n] = counts.get(n, 0) + more
        if app in self._watched:
            self._watched[app][chosen] += times
        for label, tally in self._tallies.get(app, {}).items():
            tally += np.bincount(self.column(label).codes.take(chosen), times, len(tally)).astype(np.int64)
        self.touch(chosen)

    def count(self, app: str, n: int, by: int) -> None:
        """Note that `by` more instances of `app` are on node `n`."""
        counts = self.apps[app]
        now = counts.get(n, 0) + by
        if now > 0:
            counts[n] = now
        else:
            counts.pop(n, None)
        watched = self._watched.get(app)
        if watched is not None:
            watched[n] = max(now, 0)
        tallies = self._tallies.get(app)
        if tallies:
            for label, tally in tallies.items():
                tally[self._columns[label].codes[n]] += by

    def touch(self, nodes: Ints) -> None:
        """Have everyone look at these nodes again."""
        if self.end + len(nodes) > _LOG_ENTRIES:
            self._begin_log()
        if len(nodes) <= _LOG_ENTRIES:
            self.log[self.end : self.end + len(nodes)] = nodes
            self.end += len(nodes)

    def _begin_log(self) -> None:
        self.epoch += 1
        self.end = 0

    def update(self, node: Node) -> None:
        """Take over what has become of a node that is known already. Raises `KeyError` when it is not."""
        n = self.index[node.name]
        before, self.nodes[n] = self.nodes[n], node
        self.allocatable[:, n] = _figures(node.allocatable)
        self.free[:, n] = self.allocatable[:, n] - _figures(node.reserved)
        for app in {app for app, counts in self.apps.items() if n in counts} | set(node.apps):
            self.count(app, n, node.apps.get(app, 0) - self.apps[app].get(n, 0))
        for port, taken in self._taken_ports.items():
            taken[n] = port in node.ports
        if _fixed(before)[-1] != _fixed(node)[-1]:
            self._load_devices(changed=n)
        for table in self.devices.values():
            table.update(n, node)
        if _fixed(before) != _fixed(node):
            self._forget()
        else:
            self.slack[n] = self.mean_share(self.free[0, n : n + 1], self.free[1, n : n + 1], np.array([n]))[0]
        self.touch(np.array([n]))

    # what others derive from it

    def column(self, label: str) -> Column:
        """The values of a label; of the pseudo-label `node`, every node's own."""
        found = self._columns.get(label)
        if found is None:
            values = self.names if label == NODE else [node.labels.get(label) for node in self.nodes]
            known: dict[str, int] = {}
            for value in sorted({value for value in values if value is not None}):
                known[value] = len(known)
            codes = np.fromiter((len(known) if v is None else known[v] for v in values), np.int64, self.size)
            found = self._columns[label] = Column(codes, (*known, None))
        return found

    def mask(self, expression: Expression) -> Bools:
        """Which nodes satisfy the expression."""
        found = self._masks.get(expression)
        if found is None:
            if expression.label == NODE and expression.operator in (Operator.EQUAL, Operator.IN):
                found = np.zeros(self.size, np.bool_)
                found[[self.index[name] for name in expression.values if name in self.index]] = True
            else:
                column = self.column(expression.label)
                found = np.array([expression.holds(value) for value in column.values], np.bool_)[column.codes]
            self._masks[expression] = found
        return found

    def layout(self, labels: tuple[str, ...]) -> Layout:
        found = self._layouts.get(labels)
        if found is None:
            codes = {label: self.column(label).codes for label in labels}
            combined = np.zeros(self.size, np.int64)
            for label in labels:
                combined = combined * len(self.column(label).values) + codes[label]
                combined = np.unique(combined, return_inverse=True)[1]
            order = np.argsort(combined, kind="stable")
            position = np.empty(self.size, np.int64)
            position[order] = np.arange(self.size)
            starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
            found = self._layouts[labels] = Layout(
                order,
                position,
                starts,
                (*starts.tolist(), self.size),
                {label: codes[label][order[starts]] for label in labels},
            )
        return found

    def watch(self, app: str) -> Ints:
        """How many instances of the app each node has; kept up to date from now on."""
        found = self._watched.get(app)
        if found is None:
            found = self._watched[app] = np.zeros(self.size, np.int64)
            counts = self.apps.get(app)
            if counts:
                found[list(counts)] = list(counts.values())
        return found

    def keep_only(self, apps: set[str]) -> None:
        """Stop keeping the counts of all other apps up to date; nobody may hold on to theirs."""
        for kept in (self._watched, self._tallies):
            for app in kept.keys() - apps:
                kept.pop(app)

    def tally(self, app: str, label: str) -> Ints:
        """How many instances of the app each value of the label has; kept up to date from now on."""
        tallies = self._tallies.setdefault(app, {})
        found = tallies.get(label)
        if found is None:
            column = self.column(label)
            found = tallies[label] = np.zeros(len(column.values), np.int64)
            for n, count in self.apps.get(app, {}).items():
                found[column.codes[n]] += count
        return found

    def taken(self, port: int) -> Bools:
        """Which nodes have a port of the host taken; the caller notes what it takes itself."""
        found = self._taken_ports.get(port)
        if found is None:
            found = np.fromiter((port in node.ports for node in self.nodes), np.bool_, self.size)
            self._taken_ports[port] = found
        return found

    def taints(self) -> dict[Taint, Ints]:
        """Every taint with the nodes that have it."""
        found: dict[Taint, list[int]] = {}
        for n, node in enumerate(self.nodes):
            for taint in node.taints:
                found.setdefault(taint, []).append(n)
        return {taint: np.array(nodes) for taint, nodes in found.items()}


def _columns(amounts: Iterable[object]) -> Ints:
    rows = [_figures(amount) for amount in amounts]
    return np.ascontiguousarray(np.array(rows, np.int64).reshape(-1, len(RESOURCES)).T)


def _figures(amount: object) -> list[int]:
    return [getattr(amount, name) for name in RESOURCES]


def _fixed(node: Node) -> tuple[object, ...]:
    """All of a node that placements do not change."""
    devices = [(device.name, device.model) for device in node.devices]
    return node.labels, node.state, node.allocatable, node.images, node.taints, node.volumes, devices
