"""The demo app that the first `./berth up` deploys: its names, and whether it was deployed."""

from __future__ import annotations

from pathlib import Path

from cloud.config import Config

GROUP = "demo"
APP = "hello"
HOST = "hello.localhost"  # browsers resolve every name below localhost to this machine


def marker(config: Config) -> Path:
    """Is there once the demo was deployed: it is not deployed again when someone deletes it."""
    return config.home / "demo"


def tags(config: Config) -> list[str]:
    """What the demo's image was named when it was built; it may be in a registry that others use too."""
    try:
        return marker(config).read_text().split()
    except FileNotFoundError:
        return []


def url(config: Config) -> str:
    return f"http://{HOST}:{config.http_port}/"
