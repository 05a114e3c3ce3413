"""How many instances of each app run where: by node, and by value of a label for those who ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np

from scheduler.placement.properties import Properties
from scheduler.placement.types import Ints


class CountListener(Protocol):
    """Who keeps something that follows from an app's counts."""

    def count_changed(self, app: str, n: int, before: int, after: int) -> None: ...

    def counts_changed(self, app: str, nodes: Ints, before: Ints, after: Ints) -> None: ...


class Tally(NamedTuple):
    """An app's instances on each value of a label, and each node's value."""

    counts: Ints
    of: list[int]


class Counts:
    """`of[app]` maps nodes to their instances of the app; nodes without one are not in it."""

    def __init__(self, properties: Properties) -> None:
        self.properties = properties
        self.of: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._new: dict[int, list[str]] = {}  # node -> apps that were added to since it was last taken over
        for n, node in enumerate(properties.nodes):
            for app, count in node.apps.items():
                if count:
                    self.of[app][n] = count
        self._watched: dict[str, Ints] = {}
        self._tallies: dict[str, dict[str, Tally]] = {}
        self._listeners: dict[str, list[CountListener]] = {}

    def add(self, app: str, n: int, by: int) -> None:
        """Note that `by` more instances of `app` are on node `n`."""
        new = self._new.get(n)
        if new is None:
            self._new[n] = [app]
        elif new[-1] != app:
            new.append(app)
        self._change(app, n, by)

    def _change(self, app: str, n: int, by: int) -> None:
        counts = self.of[app]
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
            for tally, of in tallies.values():
                tally[of[n]] += by

    def add_many(self, app: str, nodes: Ints, times: Ints) -> None:
        """The same for many nodes, none of them twice."""
        counts, new = self.of[app], self._new
        for n, more in zip(nodes.tolist(), times.tolist(), strict=True):
            counts[n] = counts.get(n, 0) + more
            new.setdefault(n, []).append(app)
        watched = self._watched.get(app)
        if watched is not None:
            before = watched.take(nodes)
            after = before + times
            watched[nodes] = after
            for listener in self._listeners.get(app, ()):
                listener.counts_changed(app, nodes, before, after)
        for label, (tally, _) in self._tallies.get(app, {}).items():
            codes = self.properties.column(label).codes.take(nodes)
            tally += np.bincount(codes, times, len(tally)).astype(np.int64)

    @contextmanager
    def one_fewer(self, app: str, n: int) -> Iterator[None]:
        """For a while, have the tallies as if an instance of the app were not on node `n`."""
        tallies = self._tallies.get(app, {}).values()
        for tally, of in tallies:
            tally[of[n]] -= 1
        try:
            yield
        finally:
            for tally, of in tallies:
                tally[of[n]] += 1

    def take_over(self, n: int, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """Have node `n` as it is now, whatever was added since it was `before`."""
        for app in {*before, *after, *self._new.pop(n, ())}:
            by = after.get(app, 0) - self.of[app].get(n, 0)
            if by:
                self._change(app, n, by)

    def added_to(self, n: int) -> bool:
        """Whether anything has been added on node `n` since it was taken over."""
        return n in self._new

    def on(self, n: int, before: Iterable[str]) -> dict[str, int]:
        """What runs on node `n`, by app; `before` are the apps it had when it was taken over."""
        apps = sorted({*before, *self._new.get(n, ())})
        return {app: count for app in apps if (count := self.of[app].get(n, 0))}

    def watch(self, app: str) -> Ints:
        """How many instances of the app each node has; kept up to date from now on."""
        found = self._watched.get(app)
        if found is None:
            found = self._watched[app] = np.zeros(self.properties.size, np.int64)
            counts = self.of.get(app)
            if counts:
                found[list(counts)] = list(counts.values())
        return found

    def tally(self, app: str, label: str) -> Ints:
        """How many instances of the app each value of the label has; kept up to date until the labels change."""
        tallies = self._tallies.setdefault(app, {})
        found = tallies.get(label)
        if found is None:
            column = self.properties.column(label)
            found = tallies[label] = Tally(np.zeros(len(column.values), np.int64), column.listed)
            for n, count in self.of.get(app, {}).items():
                found.counts[column.listed[n]] += count
        return found.counts

    def forget_tallies(self) -> None:
        self._tallies.clear()

    def listen(self, listener: CountListener, apps: set[str]) -> None:
        """Have the listener told of every change of these apps' counts from now on."""
        for app in apps:
            listeners = self._listeners.setdefault(app, [])
            if listener not in listeners:
                listeners.append(listener)

    def forget_listener(self, listener: CountListener) -> None:
        for listeners in self._listeners.values():
            if listener in listeners:
                listeners.remove(listener)

    def keep_only(self, apps: set[str]) -> None:
        """Stop keeping the counts of all other apps up to date; nobody may hold on to theirs."""
        for kept in (self._watched, self._tallies, self._listeners):
            for app in kept.keys() - apps:
                kept.pop(app)
