"""`./berth down --all`: remove what Berth created, and nothing else.

On an engine, `scheduler.engine.clearing` knows what is Berth's.
What lies in a database, Redis, etcd or registry whose address was given is left: others may use it too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from cloud import demo
from cloud.config import Config
from cloud.supervisor import engine, front, home


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


def clear_engine(url: str, config: Config) -> str:
    """Remove this installation's containers, networks, volumes and images from one engine; says how many."""
    from scheduler.engine import clearing

    # nobody else can have pushed to the embedded registry; what lies in a given one may be anybody's
    registry = "" if config.registry else config.registry_address
    counted = clearing.clear(url, config.installation, registry, demo.tags(config))
    words = [f"{count} {name if count > 1 else name[:-1]}" for name, count in counted.items() if count]
    return ", ".join(words) or "nothing"


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
