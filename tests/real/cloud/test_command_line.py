"""What `./berth` says to what it cannot do, before it does anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cloud.supervisor.specs import ROOT


def berth(home: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Exit code and what was said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DATABASE_"))}
    done = subprocess.run(
        [str(ROOT / "berth"), *arguments],
        env={**kept, "BERTH_HOME": str(home), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("command", ["up", "down", "status", "logs", "token", "migrate"])
def test_a_wrong_setting_stops_every_command_before_it_does_anything(tmp_path: Path, command: str) -> None:
    code, said = berth(tmp_path / "home", command, BERTH_HTPP_PORT="8080")
    assert (code, said) == (2, "berth: BERTH_HTPP_PORT: there is no such setting; did you mean BERTH_HTTP_PORT?\n")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_without_a_command_it_shows_how_its_own_are_used(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, said = berth(tmp_path / "home", *arguments)
    assert code == 0
    assert "./berth up" in said
    assert "./berth token NAME" in said
    assert "migrate" not in said


@pytest.mark.parametrize(
    ("mistyped", "meant"), [("satus", "; did you mean status?"), ("migrat", "; did you mean migrate?"), ("frob", "")]
)
def test_an_unknown_command_is_answered_with_the_nearest_and_the_usage(
    tmp_path: Path, mistyped: str, meant: str
) -> None:
    code, said = berth(tmp_path / "home", mistyped)
    first, *rest = said.splitlines()
    assert (code, first) == (2, f"berth: there is no command {mistyped}{meant}")
    assert rest[1].startswith("./berth up")
    assert not (tmp_path / "home").exists()
