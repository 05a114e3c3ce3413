"""Figures add up, and quantiles are as near as the scale is fine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.traffic.figures import LAST_BIN, LONGEST, NOTHING, Figures, Outcome, bin_of, bound, total
from scheduler.traffic.source import FakeSource, TrafficUnavailable

APP = ("shop", "web")
latencies = st.lists(st.integers(0, 1 << 20), min_size=1, max_size=200)


def of(milliseconds: list[int]) -> Figures:
    bins: dict[int, int] = {}
    for each in milliseconds:
        bins[bin_of(each)] = bins.get(bin_of(each), 0) + 1
    return Figures({Outcome.SERVED: len(milliseconds)}, latencies=bins, milliseconds=sum(milliseconds))


@given(st.integers(0, LONGEST))
def test_every_latency_lies_in_a_bin_no_wider_than_an_eighth_of_it(milliseconds: int) -> None:
    number = bin_of(milliseconds)
    low, high = bound(number), bound(number + 1)
    assert low <= milliseconds < high
    assert high - low <= max(1, low / 8)


def test_what_is_out_of_scale_is_in_the_first_and_the_last_bin() -> None:
    assert (bin_of(-1), bin_of(LONGEST), bin_of(LONGEST * 9)) == (0, LAST_BIN, LAST_BIN)


@given(latencies, st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_off_by_an_eighth_or_a_millisecond_at_most(milliseconds: list[int], share: float) -> None:
    rank = min(len(milliseconds) - 1, max(0, -int(-share * len(milliseconds) // 1) - 1))
    true = sorted(milliseconds)[rank]
    found = of(milliseconds).quantile(share)
    assert found is not None
    assert abs(found * 1000 - true) <= max(1, true / 8)


@given(latencies, latencies)
def test_two_edges_together_are_as_one_that_has_seen_all(one: list[int], other: list[int]) -> None:
    assert total([of(one), of(other)]) == of(one + other)


def test_errors_are_the_apps_own_and_those_made_by_the_edge_and_not_what_clients_broke_off() -> None:
    figures = Figures(dict.fromkeys(Outcome, 1))
    assert (figures.requests, figures.errors) == (len(Outcome), 4)


def test_without_requests_there_are_no_quantiles() -> None:
    assert (NOTHING.requests, NOTHING.errors, NOTHING.p50, NOTHING.p90, NOTHING.p99) == (0, 0, None, None, None)


def test_the_fake_says_what_it_was_given_by_release_and_of_all_and_that_it_does_not_know() -> None:
    source = FakeSource({(APP, 1): of([1]), (APP, 2): of([2, 2]), (("shop", "other"), 1): of([9])})
    assert [source.window(APP, release, 30).requests for release in (1, 2, 3, None)] == [1, 2, 0, 3]
    source.unavailable = "away"
    with pytest.raises(TrafficUnavailable):
        source.window(APP, 1, 30)
