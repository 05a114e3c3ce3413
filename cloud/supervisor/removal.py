"""`./berth down --all`: remove what Berth created, and nothing else.

On an engine, `scheduler.engine.clearing` knows what is Berth's.
What lies in a database, Redis, etcd or registry whose address was given is left: others may use it too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cloud import demo
from cloud.config import Config
from cloud.supervisor import engine, front, home

if TYPE_CHECKING:
    from scheduler.engine.clearing import Foreign

NAMED = 10  # of each kind of thing that is not Berth's, before the rest is only counted


def node_urls(config: Config) -> set[str]:
    """The engines of all nodes that were enrolled, as far as the database can still tell, and this machine's own."""
    urls = set()
    with contextlib.suppress(engine.EngineMissing):
        url, own = engine.find(config)
        if own is None or own.identity() is not None:
            urls.add(url)
    with contextlib.suppress(Exception):  # whatever is wrong with the database, the rest is removed all the same
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloud.settings")
        import django

        django.setup()
        from apps.nodes.models import Node

        urls.update(Node.objects.values_list("engine_url", flat=True))
    return urls


def clear_engine(url: str, config: Config) -> tuple[str, tuple[str, ...]]:
    """Remove this installation's containers, networks, volumes and images from one engine.

    Says how many, and what is left because something that is not Berth's holds it.
    """
    from scheduler.engine import clearing

    cleared = clearing.clear(url, config.installation, _registry(config), demo.tags(config))
    words = [f"{count} {name if count > 1 else name[:-1]}" for name, count in cleared.removed.items() if count]
    return ", ".join(words) or "nothing", cleared.left


def own_url(config: Config) -> str:
    """The engine that goes with everything on it; empty when Berth has never started one."""
    own = engine.OwnEngine(config.home, config.installation)
    return own.url if own.known else ""


def goes_too(config: Config) -> tuple[str, bool]:
    """What is not Berth's and goes with our own engine, in words; and whether that is anybody's work.

    Images alone are not: an engine pulls them again. Of an engine that does not answer nobody knows, so it may be.
    """
    own = engine.OwnEngine(config.home, config.installation)
    if not own.known:
        return "", False
    if own.identity() is None:
        return "The Docker Engine of this Berth goes too. It does not run, so nobody can say what else is on it.", True
    from scheduler.engine import clearing
    from scheduler.engine.base import EngineError

    try:
        found = clearing.foreign(own.url, config.installation, _registry(config), demo.tags(config))
    except EngineError as error:
        return f"The Docker Engine of this Berth goes too. What else is on it cannot be said: {error}", True
    return f"The Docker Engine of this Berth goes too{_in_words(found)}.", bool(found.containers or found.volumes)


def _in_words(found: Foreign) -> str:
    """`, with what is not Berth's: 2 containers (a, b); 1 volume (c)`"""
    parts = [
        _counted(kind, names)
        for kind, names in (("container", found.containers), ("volume", found.volumes), ("image", found.images))
        if names
    ]
    return f", with what is not Berth's: {'; '.join(parts)}" if parts else ""


def _counted(kind: str, names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:NAMED]) + (", …" if len(names) > NAMED else "")
    return f"{len(names)} {kind}{'s' if len(names) > 1 else ''} ({shown})"


def _registry(config: Config) -> str:
    """Nobody else can have pushed to the embedded registry; what lies in a given one may be anybody's."""
    return "" if config.registry else config.registry_address


def end_edge(config: Config) -> None:
    front.end(config.home)


def end_engine(config: Config) -> bool:
    """End our own engine with everything on it; False when there is none."""
    own = engine.OwnEngine(config.home, config.installation)
    if not own.known:
        return False
    if engine.alive(own.url):
        from scheduler.engine import clearing

        clearing.remove_all_containers(own.url)  # with live-restore they would outlive it
    own.stop()
    _unmount(own.data, own.short)
    for folder in (own.data, own.short):
        subprocess.run([*engine.as_root(), "rm", "-rf", "--one-file-system", str(folder)], check=False)
    return True


def _unmount(*folders: Path) -> None:
    """Unmount what a dockerd has left mounted below `folders`: layers and network namespaces."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    for point in reversed(points):
        if any(Path(point).is_relative_to(folder) for folder in folders):
            subprocess.run([*engine.as_root(), "umount", "--lazy", point], check=False)


def remove_home(config: Config) -> None:
    """Remove BERTH_HOME, but only a folder that Berth made its own."""
    if (config.home / home.MARK).exists():
        shutil.rmtree(config.home)
