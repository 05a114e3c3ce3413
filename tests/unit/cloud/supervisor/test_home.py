"""The home: private, known by its mark, and one supervisor's at a time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from cloud import config
from cloud.supervisor import home, removal


def read(path: Path) -> config.Config:
    return config.read({"BERTH_HOME": str(path)})


def test_secrets_are_made_once_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    home.prepare(read(tmp_path / "home"))
    made = {path.name: path.read_text() for path in (tmp_path / "home" / "secrets").iterdir()}
    assert set(made) == {"secret-key", "edge-keys", "env-keys", "installation", "admin"}
    for name in made:
        assert stat.S_IMODE((tmp_path / "home" / "secrets" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home" / "secrets").stat().st_mode) == 0o700

    home.prepare(read(tmp_path / "home"))
    assert {path.name: path.read_text() for path in (tmp_path / "home" / "secrets").iterdir()} == made


def test_the_settings_read_what_was_made(tmp_path: Path) -> None:
    home.prepare(read(tmp_path))
    berth = read(tmp_path)
    assert len(berth.secret_key) >= 50
    assert len(berth.installation) == 6
    (key,) = berth.env_keys
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"value")) == b"value"


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(config.ConfigError, match="BERTH_HOME: "):
        home.prepare(read(tmp_path))
    removal.remove_home(read(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_home_has_one_supervisor(tmp_path: Path) -> None:
    home.prepare(read(tmp_path))
    with home.locked(read(tmp_path)), pytest.raises(home.AlreadyRunning), home.locked(read(tmp_path)):
        pass
    with home.locked(read(tmp_path)):
        pass
