"""Amounts as people write them, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.quantities import (
    about_bytes,
    parse_bytes,
    parse_cpu,
    parse_duration,
    show_bytes,
    show_cpu,
    show_duration,
    show_figure,
)

ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"[0-9]{0,30}\.?[0-9]{0,9} ?[A-Za-z]{0,4}")
)


@pytest.mark.parametrize(
    ("written", "millicores"),
    [(1, 1000), (0.25, 250), ("250m", 250), ("0.25", 250), ("2", 2000), (0.0014, 1), (1024, 1_024_000), (-1, -1000)],
)
def test_cpu_is_read_in_cores_or_thousandths(written: Any, millicores: int) -> None:
    assert parse_cpu(written) == millicores


@pytest.mark.parametrize(
    ("written", "size"),
    [(64, 64), ("64", 64), ("64B", 64), ("64MiB", 64 << 20), ("64Mi", 64 << 20), ("1.5GiB", 3 << 29), ("1MB", 10**6),
     ("2 TiB", 2 << 40), (1e6, 10**6), ("1PiB", 1 << 50)],
)  # fmt: skip
def test_sizes_are_read_in_bytes_or_with_a_unit(written: Any, size: int) -> None:
    assert parse_bytes(written) == size


@pytest.mark.parametrize(
    ("written", "seconds"), [(2, 2.0), (0.5, 0.5), ("500ms", 0.5), ("2s", 2.0), ("1.5m", 90.0), ("1h", 3600.0)]
)
def test_times_are_read_in_seconds_or_with_a_unit(written: Any, seconds: float) -> None:
    assert parse_duration(written) == seconds


@given(ANYTHING)
@pytest.mark.parametrize("parse", [parse_cpu, parse_bytes, parse_duration])
def test_anything_else_is_refused_in_words(parse: Callable[[object], float], value: object) -> None:
    try:
        amount = parse(value)
    except ValueError as refused:
        assert str(refused).startswith(("CPU is", "This is"))
    else:
        assert abs(amount) < 1 << 63


@given(st.integers(0, 10**9))
def test_cpu_survives_being_shown(millicores: int) -> None:
    assert parse_cpu(show_cpu(millicores)) == millicores


@given(st.integers(0, (1 << 60) - 1))
def test_sizes_survive_being_shown(size: int) -> None:
    assert parse_bytes(show_bytes(size)) == size


@given(st.integers(0, 10**10).map(lambda milliseconds: milliseconds / 1000))
def test_times_survive_being_shown(seconds: float) -> None:
    assert parse_duration(show_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (3 << 30, "3 GiB")]
)
def test_sizes_for_people_are_short(size: int, shown: str) -> None:
    assert about_bytes(size) == shown


def test_figures_are_shown_in_their_own_unit() -> None:
    assert [show_figure(name, 1500) for name in ("cpu", "memory", "instances")] == ["1.5", "1.5 KiB", "1500"]
