"""News of an app that come thick and fast: few messages, and none of the news goes unheard."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from scheduler.wake import Throttle

PATIENCE = 10.0  # seconds
NEVER = 3600.0  # seconds: no second message within a test


class Listener:
    """What was heard of each app, and how far the news were at each time."""

    def __init__(self, every: float) -> None:
        self.throttle = Throttle(self._hear, every)
        self.news = 0
        self.heard: list[tuple[int, int]] = []
        self._changed = threading.Condition()

    def tell(self, app_id: int) -> None:
        with self._changed:
            self.news += 1
        self.throttle(app_id)

    def wait_for(self, app_id: int, news: int) -> bool:
        def heard() -> bool:
            return any(app == app_id and at >= news for app, at in self.heard)

        with self._changed:
            return self._changed.wait_for(heard, PATIENCE)

    def _hear(self, app_id: int) -> None:
        with self._changed:
            self.heard.append((app_id, self.news))
            self._changed.notify_all()


def test_what_comes_alone_is_told_at_once() -> None:
    listener = Listener(NEVER)
    listener.tell(1)
    assert listener.heard == [(1, 1)]


def test_what_comes_thick_and_fast_is_told_at_once_and_then_together() -> None:
    listener = Listener(NEVER)
    for _ in range(50):
        listener.tell(1)
    assert listener.heard == [(1, 1)]


def test_an_app_does_not_wait_for_another_ones_news() -> None:
    listener = Listener(NEVER)
    for app_id in (1, 1, 2, 2):
        listener.tell(app_id)
    assert [app_id for app_id, _ in listener.heard] == [1, 2]


def test_the_last_news_are_told_after_they_came() -> None:
    listener = Listener(0.002)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(listener.tell, [1, 2] * 500))
    for app_id in (1, 2):
        before = listener.news
        listener.tell(app_id)
        assert listener.wait_for(app_id, before + 1)
