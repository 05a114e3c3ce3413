"""Steps are plain lines where nobody watches."""

from __future__ import annotations

import io
import re

import pytest

from cloud.supervisor import logfiles
from cloud.supervisor.steps import Steps


def test_a_finished_step_is_one_line_with_its_time() -> None:
    out = io.StringIO()
    with Steps(out).step("engine") as step:
        step.fraction = 0.5
        step.detail = "unix:///var/run/docker.sock"
    assert re.fullmatch(r"  ok   engine +0\.\d\d s  unix:///var/run/docker.sock\n", out.getvalue())


def test_a_failed_step_says_so_and_passes_the_error_on() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="no engine"), Steps(out).step("engine"):
        raise ValueError("no engine")
    assert re.fullmatch(r"  FAIL engine +0\.\d\d s\n", out.getvalue())


def test_on_a_terminal_a_long_step_has_a_bar() -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    out = Terminal()
    steps = Steps(out)
    with steps.step("image") as step:
        step.fraction = 0.25
        steps._drawn = 0.0
        steps.tick()
    assert "██████░░░░░░░░░░░░░░░░░░  25 %" in out.getvalue()
    assert re.search(r"\r\x1b\[K  ✓ image +0\.\d\d s\n$", out.getvalue())


def test_a_log_that_has_grown_is_cut_and_its_lines_are_kept_beside_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(logfiles, "LARGEST", 10)
    log = tmp_path / "web.log"
    with log.open("a") as writer:
        writer.write("an old line\n")
        writer.flush()
        logfiles.bound(log)
        writer.write("a new line\n")
    assert log.read_text() == "a new line\n"
    assert logfiles.older(log).read_text() == "an old line\n"


def test_the_tail_of_a_log_is_its_last_lines(tmp_path) -> None:
    log = tmp_path / "web.log"
    log.write_text("".join(f"line {number}\n" for number in range(2000)))
    assert logfiles.tail(log, 2) == "line 1998\nline 1999"
    assert logfiles.tail(tmp_path / "none.log") == ""
