"""Text for terminals becomes text to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.panel.terminal import plain


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain <b>text</b>\twith a tab", "plain <b>text</b>\twith a tab"),
        ("\x1b[32mINFO\x1b[0m started", "INFO started"),
        ("\x1b[1;38;5;196mred\x1b[m \x1b[2K\x1b[1Gdone", "red done"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(B\x1b7saved\x1b8", "saved"),
        ("10 %\r50 %\r100 %", "100 %"),
        ("ended as on Windows\r\nnext\r\n", "ended as on Windows\nnext\n"),
        ("bell\x07 null\x00 \x9b31mcolour", "bell null colour"),
        ("cut off \x1b[3", "cut off 3"),
        ("cut off \x1b", "cut off "),
        ("日本語 → ✓", "日本語 → ✓"),
    ],
)
def test_commands_go_and_text_stays(written: str, read: str) -> None:
    assert plain(written) == read


@given(st.text(alphabet=st.sampled_from("a1;[]m\x1b\x07\r\n\\\x9b\x00 é")))
def test_nothing_is_left_that_a_terminal_would_obey(text: str) -> None:
    assert not set(plain(text)) & {"\x1b", "\x9b", "\x07", "\x00", "\r"}
    assert plain(text).count("\n") == text.count("\n")


@given(st.text(alphabet=st.characters(exclude_categories=["Cc"])))
def test_text_without_commands_is_left_alone(text: str) -> None:
    assert plain(text) == text
