"""What no placement changes about the nodes: names, labels, states, taints, images; as columns, made when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scheduler.placement.labels import NODE, Expression, Operator
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Node, Taint

READY = "ready"


@dataclass(frozen=True, slots=True)
class Column:
    """One label over all nodes: `codes[node]` is a position in `values`; nodes without the label have the last."""

    codes: Ints
    values: tuple[str | None, ...]
    listed: list[int]  # the codes again: one of them is read faster from a list

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


class ImageListener(Protocol):
    """Who keeps something that follows from which nodes have an image."""

    def images_changed(self) -> None: ...


class Properties:
    """The nodes in the order of their names. Raises `ValueError` when two have the same one."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.names = [node.name for node in self.nodes]
        self.index = {name: n for n, name in enumerate(self.names)}
        if len(self.index) != len(self.nodes):
            raise ValueError("two nodes have the same name")
        self.size = len(self.nodes)
        self.everyone: Ints = np.arange(self.size)
        self.version = 0  # of all that is kept here, but for images
        self._images: dict[str, Bools] = {}
        self._image_sizes: dict[str, int] = {}
        self._image_listeners: dict[str, list[ImageListener]] = {}
        self.forget_properties()

    def forget_properties(self) -> None:
        """Drop what was derived: some node is not what it was."""
        self.version += 1
        self._masks: dict[Expression, Bools] = {}
        self._columns: dict[str, Column] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._taints: dict[Taint, Ints] | None = None
        self._ready: Bools | None = None

    def column(self, label: str) -> Column:
        """The values of a label; of the pseudo-label `node`, every node's own."""
        found = self._columns.get(label)
        if found is None:
            values = self.names if label == NODE else [node.labels.get(label) for node in self.nodes]
            known: dict[str, int] = {}
            for value in sorted({value for value in values if value is not None}):
                known[value] = len(known)
            codes = np.fromiter((len(known) if v is None else known[v] for v in values), np.int64, self.size)
            found = self._columns[label] = Column(codes, (*known, None), codes.tolist())
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

    def taints(self) -> dict[Taint, Ints]:
        """Every taint with the nodes that have it."""
        if self._taints is None:
            found: dict[Taint, list[int]] = {}
            for n, node in enumerate(self.nodes):
                for taint in node.taints:
                    found.setdefault(taint, []).append(n)
            self._taints = {taint: np.array(nodes) for taint, nodes in found.items()}
        return self._taints

    def ready(self) -> Bools:
        """Which nodes take new instances."""
        if self._ready is None:
            self._ready = np.fromiter((node.state == READY for node in self.nodes), np.bool_, self.size)
        return self._ready

    def has_image(self, image: str) -> Bools:
        """Which nodes have the image; kept up to date from now on."""
        found = self._images.get(image)
        if found is None:
            found = np.fromiter((image in node.images for node in self.nodes), np.bool_, self.size)
            self._images[image] = found
        return found

    def image_size(self, image: str) -> int:
        """Bytes of the image, as the nodes that have it say; the most, where they differ. 0: nobody says."""
        found = self._image_sizes.get(image)
        if found is None:
            found = max((node.images.get(image, 0) for node in self.nodes), default=0)
            self._image_sizes[image] = found
        return found

    def listen_to_image(self, image: str, listener: ImageListener) -> None:
        """Have the listener told, once, when the image comes to a node or goes from one."""
        listeners = self._image_listeners.setdefault(image, [])
        if listener not in listeners:
            listeners.append(listener)

    def keep_images(self, images: set[str]) -> None:
        """Stop keeping all other images up to date."""
        for kept in (self._images, self._image_sizes, self._image_listeners):
            for image in kept.keys() - images:
                kept.pop(image)

    def set_images(self, n: int, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """Take over which images node `n` has. Images come and go with every deployment: only who asks pays."""
        for image in {image for image, _ in before.items() ^ after.items()}:
            self._image_sizes.pop(image, None)
            found = self._images.get(image)
            if found is not None:
                found[n] = image in after
            for listener in self._image_listeners.pop(image, ()):
                listener.images_changed()
