"""The nodes as columns: one array a figure, one entry a node, in the order of their names.

Whatever changes on a node is written to a log; who keeps something per node (see `kind.py`) catches up from there,
so the cost of a change does not depend on the number of nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from scheduler.model import Resources
from scheduler.placement.cells import Cells
from scheduler.placement.counts import Counts
from scheduler.placement.devices import DeviceTable
from scheduler.placement.properties import Properties
from scheduler.placement.types import Bools, Ints
from scheduler.placement.units import RESOURCES
from scheduler.placement.values import Node
from scheduler.placement.workload import Workload

FULL = 1 << 16  # a share of 1, in the arrays
_LOG_ENTRIES = 1 << 18


class State(Properties):
    """Nodes and what is claimed on them. Figures are whole numbers: thousandths of a core, bytes, instances."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__(nodes)
        self.ranks = 1 << self.size.bit_length()  # more than any rank by name
        self.allocatable = _columns(node.allocatable for node in self.nodes)
        self._free = self.allocatable - _columns(node.reserved for node in self.nodes)
        # what is free on each node, and the mean share that this is: written here first, as one node at a time is
        # cheaper in lists, and brought into the arrays when someone asks for those
        self.rows: list[list[int]] = self._free.T.tolist()
        self.slacks: list[int] = []
        self._behind: list[int] = []  # nodes of which the arrays have old figures
        self.counts = Counts(self)
        self.devices: dict[str, DeviceTable] = {}
        self._load_devices()
        self.workload = Workload(self.reserved_in_all)
        self.log = np.zeros(_LOG_ENTRIES, np.int64)
        self.end = 0  # of the log
        self.epoch = 0  # how often the log began anew
        self.cells: Cells | None = None
        self._taken_ports: dict[int, Bools] = {}
        self._measure()

    def _measure(self) -> None:
        """Begin anew with what follows from capacities."""
        self.cells = None
        self._shapes: tuple[Ints, Ints] | None = None
        self._slack_of = [np.maximum(self.allocatable[r], 1).tolist() for r in (0, 1)]
        self._slack_of.append(self.devices_total.tolist())
        mean = self.allocatable[:2].sum(axis=1) // max(self.size, 1)
        self.mean_node = max(int(mean[0]), 1), max(int(mean[1]), 1 << 20)  # its CPU and memory
        devices = np.array(self.devices_free, np.int64)
        self._slack = self.mean_share(self.free[0], self.free[1], self.everyone, devices)
        self.slacks = self._slack.tolist()

    def reserved_in_all(self) -> tuple[int, int]:
        """The CPU (thousandths of a core) and memory (MiB) that all nodes have reserved."""
        reserved = (self.allocatable[:2] - self.free[:2]).sum(axis=1)
        return max(int(reserved[0]), 0), max(int(reserved[1]) >> 20, 0)

    def _load_devices(self, changed: int | None = None) -> None:
        names = {device.name for node in self.nodes for device in node.devices}
        before = self.devices
        self.devices = {name: DeviceTable(self.nodes, name) for name in sorted(names)}
        if changed is not None:
            for name in self.devices.keys() & before.keys():
                self.devices[name].take_over(before[name], changed)
        none = np.zeros(self.size, np.int64)
        self.devices_total: Ints = sum((table.total for table in self.devices.values()), none)
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

    def shapes(self) -> tuple[Ints, Ints]:
        """One node of each size, in CPU, memory and devices, and for each node which of these is of its size."""
        if self._shapes is None:
            known: dict[tuple[int, ...], int] = {}
            sizes = zip(*self.allocatable[:2].tolist(), self.devices_total.tolist(), strict=True)
            of = np.array([known.setdefault(size, len(known)) for size in sizes], np.int64)
            self._shapes = np.unique(of, return_index=True)[1], of
        return self._shapes

    def devices_left(self, nodes: Ints) -> Ints:
        """What is free of the nodes' devices, in thousandths."""
        if not self.devices:
            return np.zeros(len(nodes), np.int64)
        return np.array([self.devices_free[n] for n in nodes.tolist()], np.int64)

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
        self.counts.add(app, n, sign)
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
        self.counts.add_many(app, chosen, times)
        self.touch(chosen)

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
        self.counts.take_over(n, before.apps, node.apps)
        for port, taken in self._taken_ports.items():
            taken[n] = port in node.ports
        if _sorts(before) != _sorts(node):
            self._load_devices(changed=n)
        for table in self.devices.values():
            table.update(n, node)
        self.devices_free[n] = sum(int(np.maximum(table.free[n], 0).sum()) for table in self.devices.values())
        if before.images != node.images:
            self.set_images(n, before.images, node.images)
        if _fixed(before) != _fixed(node):
            self._behind.append(n)
            self.forget_properties()
            self.counts.forget_tallies()
            self._measure()
        else:
            self._set_slack(n, self.rows[n])
        self.touch(np.array([n]))

    def current(self, n: int) -> Node:
        """Node `n` with all that is claimed on it."""
        node = self.nodes[n]
        if not self.counts.added_to(n):
            return node
        figures = (self.allocatable[:, n] - self.rows[n]).tolist()
        ports = {port for port, taken in self._taken_ports.items() if taken[n]}
        devices = list(node.devices)
        for table in self.devices.values():
            for k, position in enumerate(table.positions[n]):
                devices[position] = replace(devices[position], free=int(table.free[n, k]))
        return replace(
            node,
            reserved=Resources(*figures),
            apps=self.counts.on(n, node.apps),
            ports=frozenset(ports | node.ports - self._taken_ports.keys()),
            devices=tuple(devices),
        )

    def taken(self, port: int) -> Bools:
        """Which nodes have a port of the host taken; the caller notes what it takes itself."""
        found = self._taken_ports.get(port)
        if found is None:
            found = np.fromiter((port in node.ports for node in self.nodes), np.bool_, self.size)
            self._taken_ports[port] = found
        return found

    def open_cells(self) -> Cells:
        """The nodes sorted for kinds that can tell few of them apart."""
        if self.cells is None:
            self.cells = Cells(self)
        return self.cells


def _columns(amounts: Iterable[object]) -> Ints:
    rows = [_figures(amount) for amount in amounts]
    return np.ascontiguousarray(np.array(rows, np.int64).reshape(-1, len(RESOURCES)).T)


def _figures(amount: object) -> list[int]:
    return [getattr(amount, name) for name in RESOURCES]


def _fixed(node: Node) -> tuple[object, ...]:
    """All of a node that placements do not change, but for its images."""
    return node.labels, node.state, node.allocatable, node.taints, node.volumes, _sorts(node)


def _sorts(node: Node) -> list[tuple[str, str]]:
    return [(device.name, device.model) for device in node.devices]
