"""The nodes as columns: one array a figure, one entry a node, in the order of their names.

Whatever changes on a node is written to a log; who keeps something per node (see `kind.py`) catches up from there,
so the cost of a change does not depend on the number of nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scheduler.placement.cells import Cells
from scheduler.placement.devices import DeviceTable
from scheduler.placement.labels import NODE, Expression, Operator
from scheduler.placement.types import Bools, Ints
from scheduler.placement.units import RESOURCES
from scheduler.placement.values import Node, Taint
from scheduler.placement.workload import Workload

FULL = 1 << 16  # a share of 1, in the arrays
READY = "ready"
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


class Listener(Protocol):
    """Who keeps something that follows from an app's counts."""

    def count_changed(self, app: str, n: int, before: int, after: int) -> None: ...

    def counts_changed(self, app: str, nodes: Ints, before: Ints, after: Ints) -> None: ...


class State:
    """Nodes and what is claimed on them. Figures are whole numbers: thousandths of a core, bytes, instances."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.names = [node.name for node in self.nodes]
        self.index = {name: n for n, name in enumerate(self.names)}
        if len(self.index) != len(self.nodes):
            raise ValueError("two nodes have the same name")
        self.size = len(self.nodes)
        self.ranks = 1 << self.size.bit_length()  # more than any rank by name
        self.allocatable = _columns(node.allocatable for node in self.nodes)
        self._free = self.allocatable - _columns(node.reserved for node in self.nodes)
        # what is free on each node, and the mean share that this is: written here first, as one node at a time is
        # cheaper in lists, and brought into the arrays when someone asks for those
        self.rows: list[list[int]] = self._free.T.tolist()
        self.slacks: list[int] = []
        self._behind: list[int] = []  # nodes of which the arrays have old figures
        self.apps: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for n, node in enumerate(self.nodes):
            for app, count in node.apps.items():
                if count:
                    self.apps[app][n] = count
        self.devices: dict[str, DeviceTable] = {}
        self._load_devices()
        self.workload = Workload()
        self.log = np.zeros(_LOG_ENTRIES, np.int64)
        self.end = 0  # of the log
        self.epoch = 0  # how often the log began anew
        self.cells: Cells | None = None
        self.version = 0  # of all that no placement changes: labels, states, taints, capacity
        self._taken_ports: dict[int, Bools] = {}
        self._watched: dict[str, Ints] = {}
        self._tallies: dict[str, dict[str, Ints]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._forget()

    def _forget(self) -> None:
        """Drop what was derived from the nodes' fixed properties."""
        self.version += 1
        self.cells = None
        self._slack_of = [np.maximum(self.allocatable[r], 1).tolist() for r in (0, 1)]
        self._slack_of.append(self.devices_total.tolist())
        self._slack = self.mean_share(
            self.free[0], self.free[1], np.arange(self.size), np.array(self.devices_free, np.int64)
        )
        self.slacks = self._slack.tolist()
        self._masks: dict[Expression, Bools] = {}
        self._columns: dict[str, Column] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._taints: dict[Taint, Ints] | None = None
        self._ready: Bools | None = None
        self._images: dict[str, Bools] = {}
        self._tallies.clear()

    def _load_devices(self, changed: int | None = None) -> None:
        names = {device.name for node in self.nodes for device in node.devices}
        before = self.devices
        self.devices = {name: DeviceTable(self.nodes, name) for name in sorted(names)}
        if changed is not None:
            for name in self.devices.keys() & before.keys():
                self.devices[name].take_over(before[name], changed)
        none = np.zeros(self.size, np.int64)
        self.devices_total: Ints = sum((table.total for table in self.devices.values()), none)
        self._count_devices()

    def _count_devices(self) -> None:
        none = np.zeros(self.size, np.int64)
        free = sum((np.maximum(table.free, 0).sum(axis=1) for table in self.devices.values()), none)
        self.devices_free: list[int] = free.tolist()

    def mean_share(self, cpu: Ints, memory: Ints, nodes: Ints, devices: Ints) -> Ints:
        """The mean of the shares that these amounts are of what the nodes have, in `FULL`ths.

        `devices` are thousandths; on nodes that have none the mean is that of CPU and memory.
        """
        of = np.maximum(self.allocatable[:2].take(nodes, 1), 1)
        has = self.devices_total.take(nodes)
        shares = cpu * FULL // of[0] + memory * FULL // of[1] + devices * FULL // np.maximum(has, 1) * (has > 0)
        share: Ints = shares // np.where(has > 0, 3, 2)
        return share

    def devices_left(self, nodes: Ints) -> Ints:
        """What is free of the nodes' devices, in thousandths."""
        if not self.devices:
            return np.zeros(len(nodes), np.int64)
        return np.array([self.devices_free[n] for n in nodes.tolist()], np.int64)

    # changes

    @property
    def free(self) -> Ints:
        """What is free, a row a resource."""
        if self._behind:
            self._catch_up()
        return self._free

    @property
    def slack(self) -> Ints:
        """The mean share of CPU and memory that is free, in `FULL`ths."""
        if self._behind:
            self._catch_up()
        return self._slack

    def _catch_up(self) -> None:
        behind = list(dict.fromkeys(self._behind))
        self._behind.clear()
        self._free[:, behind] = np.array([self.rows[n] for n in behind], np.int64).T
        self._slack[behind] = [self.slacks[n] for n in behind]

    def claim(self, n: int, need: Sequence[int], app: str, sign: int = 1) -> None:
        """Take `need` from node `n` for one instance of `app`; with `sign` -1, give it back."""
        row = self.rows[n]
        row[0] -= sign * need[0]
        row[1] -= sign * need[1]
        row[2] -= sign * need[2]
        row[3] -= sign * need[3]
        self._set_slack(n, row)
        self.count(app, n, sign)
        end = self.end
        if end == _LOG_ENTRIES:
            self._begin_log()
            end = 0
        self.log[end] = n
        self.end = end + 1

    def _set_slack(self, n: int, row: list[int]) -> None:
        cpu, memory = self._slack_of[0][n], self._slack_of[1][n]
        slack = row[0] * FULL // cpu + row[1] * FULL // memory
        if devices := self._slack_of[2][n]:
            slack = (slack + self.devices_free[n] * FULL // devices) // 3
        else:
            slack >>= 1
        if self.cells is not None:
            self.cells.moved(n, self.slacks[n], slack)
        self.slacks[n] = slack
        self._behind.append(n)

    def claim_many(self, chosen: Ints, times: Ints, need: Ints, app: str) -> None:
        """Take `need` from each of the nodes `chosen` (no node twice), `times` over."""
        free = self.free
        free[:, chosen] -= need[:, None] * times
        left = free.take(chosen, 1)
        slack = self.mean_share(left[0], left[1], chosen, self.devices_left(chosen))
        self._slack[chosen] = slack
        if len(chosen) > self.size >> 3:
            self.cells = None  # sorting them anew is faster
        rows, slacks, cells = self.rows, self.slacks, self.cells
        for n, row, now in zip(chosen.tolist(), left.T.tolist(), slack.tolist(), strict=True):
            if cells is not None:
                cells.moved(n, slacks[n], now)
            rows[n] = row
            slacks[n] = now
        counts = self.apps[app]
        for n, more in zip(chosen.tolist(), times.tolist(), strict=True):
            counts[n] = counts.get(n, 0) + more
        watched = self._watched.get(app)
        if watched is not None:
            before = watched.take(chosen)
            after = before + times
            watched[chosen] = after
            for listener in self._listeners.get(app, ()):
                listener.counts_changed(app, chosen, before, after)
        for label, tally in self._tallies.get(app, {}).items():
            tally += np.bincount(self.column(label).codes.take(chosen), times, len(tally)).astype(np.int64)
        self.touch(chosen)

    def count(self, app: str, n: int, by: int) -> None:
        """Note that `by` more instances of `app` are on node `n`."""
        counts = self.apps[app]
        now = counts.get(n, 0) + by
        if now:
            counts[n] = now
        else:
            counts.pop(n, None)
        watched = self._watched.get(app)
        if watched is not None:
            watched[n] = now
        for listener in self._listeners.get(app, ()):
            listener.count_changed(app, n, now - by, now)
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
        self.rows[n] = (self.allocatable[:, n] - _figures(node.reserved)).tolist()
        for app in {app for app, counts in self.apps.items() if n in counts} | set(node.apps):
            self.count(app, n, node.apps.get(app, 0) - self.apps[app].get(n, 0))
        for port, taken in self._taken_ports.items():
            taken[n] = port in node.ports
        if _fixed(before)[-1] != _fixed(node)[-1]:
            self._load_devices(changed=n)
        for table in self.devices.values():
            table.update(n, node)
        self.devices_free[n] = sum(int(np.maximum(table.free[n], 0).sum()) for table in self.devices.values())
        if _fixed(before) != _fixed(node):
            self._behind.append(n)
            self._forget()
        else:
            self._set_slack(n, self.rows[n])
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

    def listen(self, listener: Listener, apps: set[str]) -> None:
        """Have the listener told of every change of these apps' counts from now on."""
        for app in apps:
            listeners = self._listeners.setdefault(app, [])
            if listener not in listeners:
                listeners.append(listener)

    def forget_listener(self, listener: Listener) -> None:
        for listeners in self._listeners.values():
            if listener in listeners:
                listeners.remove(listener)

    def keep_only(self, apps: set[str]) -> None:
        """Stop keeping the counts of all other apps up to date; nobody may hold on to theirs."""
        for kept in (self._watched, self._tallies, self._listeners):
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
        if self._taints is None:
            found: dict[Taint, list[int]] = {}
            for n, node in enumerate(self.nodes):
                for taint in node.taints:
                    found.setdefault(taint, []).append(n)
            self._taints = {taint: np.array(nodes) for taint, nodes in found.items()}
        return self._taints

    def open_cells(self) -> Cells:
        """The nodes sorted for kinds that can tell few of them apart."""
        if self.cells is None:
            self.cells = Cells(self)
        return self.cells

    def ready(self) -> Bools:
        """Which nodes take new instances."""
        if self._ready is None:
            self._ready = np.fromiter((node.state == READY for node in self.nodes), np.bool_, self.size)
        return self._ready

    def has_image(self, image: str) -> Bools:
        """Which nodes have the image."""
        found = self._images.get(image)
        if found is None:
            found = np.fromiter((image in node.images for node in self.nodes), np.bool_, self.size)
            self._images[image] = found
        return found


def _columns(amounts: Iterable[object]) -> Ints:
    rows = [_figures(amount) for amount in amounts]
    return np.ascontiguousarray(np.array(rows, np.int64).reshape(-1, len(RESOURCES)).T)


def _figures(amount: object) -> list[int]:
    return [getattr(amount, name) for name in RESOURCES]


def _fixed(node: Node) -> tuple[object, ...]:
    """All of a node that placements do not change."""
    devices = [(device.name, device.model) for device in node.devices]
    return node.labels, node.state, node.allocatable, node.images, node.taints, node.volumes, devices
