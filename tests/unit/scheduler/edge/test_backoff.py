from __future__ import annotations

from scheduler.edge.backoff import FIRST, MOST, Backoff


def test_pauses_double_up_to_the_longest_and_begin_anew_when_it_went_well() -> None:
    backoff = Backoff()
    pauses = [backoff.next() for _ in range(10)]
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == MOST
    backoff.reset()
    assert backoff.next() == FIRST
