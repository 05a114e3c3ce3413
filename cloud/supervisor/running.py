"""The settings with which the running Berth was started, which need not be those of whoever asks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from cloud import config
from cloud.config import Config, ConfigError
from cloud.supervisor.identity import Identity

VARIABLES = {"database_url": "DATABASE_URL", "allowed_hosts": "BERTH_HOSTS"}  # the others are named after their field
SECRET = frozenset({"database_url", "redis_url", "secret_key", "env_keys", "edge_keys"})  # what may hold a password


def settings(supervisor: Identity | None, asked: Config) -> Config:
    """Those of `supervisor`, read from its process; `asked` where none runs, or they cannot be read.

    The kernel keeps the environment that a process was started with, so no secret in it has to be written down.
    """
    if supervisor is None:
        return asked
    try:
        words = Path(f"/proc/{supervisor.pid}/environ").read_bytes().split(b"\0")
        environment = dict(word.decode().split("=", 1) for word in words if b"=" in word)
        if not environment:  # it has only just begun
            return asked
        return config.read({**environment, "BERTH_HOME": str(asked.home)})
    except (OSError, UnicodeDecodeError, ConfigError):
        return asked


def differences(running: Config, asked: Config) -> tuple[str, ...]:
    """Each setting that is another here than in the running Berth, with both values unless they may be secret."""
    found = []
    for field in fields(Config):
        here, there = getattr(asked, field.name), getattr(running, field.name)
        if here != there:
            name = VARIABLES.get(field.name, f"BERTH_{field.name.upper()}")
            values = "" if field.name in SECRET else f" ({_shown(here)} here, {_shown(there)} there)"
            found.append(f"{name}{values}")
    return tuple(found)


def _shown(value: object) -> str:
    """As it would be given."""
    if isinstance(value, range):
        return f"{value.start}-{value.stop - 1}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(int(value) if isinstance(value, bool) else value) or "nothing"
