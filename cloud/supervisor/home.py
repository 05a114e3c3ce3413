"""BERTH_HOME: its folders, its secrets, and the lock that makes sure that one supervisor has it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cloud.config import Config, ConfigError
from cloud.supervisor import record

FOLDERS = ("run", "secrets", "logs", "edge")
MARK = "berth-home"  # a file that says: this folder is a Berth home, `down --all` may remove it


class AlreadyRunning(Exception):
    """Another supervisor has this home."""


def prepare(config: Config) -> None:
    """Make the folders and whatever secret is not there yet. Nobody but the owner can read below home.

    A folder that holds something else is refused: `down --all` will remove it whole. Raises `ConfigError`.
    """
    home = config.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (home / MARK).exists():
            if any(home.iterdir()):
                raise ConfigError(f"BERTH_HOME: {home} holds something else already")
            (home / MARK).write_text("Berth keeps its data here; ./berth down --all removes it.\n")
        home.chmod(0o700)
        for folder in FOLDERS:
            (home / folder).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"BERTH_HOME: {error}") from error
    _keep(config.secrets / "secret-key", lambda: secrets.token_urlsafe(48))
    _keep(config.secrets / "env-keys", lambda: base64.urlsafe_b64encode(os.urandom(32)).decode())  # a Fernet key
    _keep(config.secrets / "edge-keys", lambda: base64.urlsafe_b64encode(os.urandom(32)).decode())  # likewise
    _keep(config.secrets / "installation", lambda: secrets.token_hex(3))
    _keep(config.secrets / "admin", lambda: secrets.token_urlsafe(12))


def _keep(path: Path, make: Callable[[], str]) -> None:
    """Write the secret unless it is there; it is never readable by others, and never there in part."""
    if path.exists():
        return
    descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # of mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(staged, path)
    finally:
        os.unlink(staged)


@contextlib.contextmanager
def locked(config: Config) -> Iterator[None]:
    """Hold the home. The kernel lets go of the lock when its holder dies. Raises `AlreadyRunning`."""
    with (config.run / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = record.supervisor(record.read(config.run))
            raise AlreadyRunning(f"Berth is running already (pid {owner.pid if owner else '?'})") from error
        yield
