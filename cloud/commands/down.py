"""`./berth down`: stop Berth in order; apps and edge serve on. `--all` removes everything that Berth created."""

from __future__ import annotations

import argparse
import signal
import sys

from cloud import config
from cloud.config import Config
from cloud.supervisor import home, record, removal
from cloud.supervisor.steps import Steps

PATIENCE = 60  # seconds that the supervisor may take to stop everything


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./berth down", description=__doc__)
    parser.add_argument("--all", action="store_true", help="remove apps, edge, images, and all data in BERTH_HOME")
    parser.add_argument("--yes", action="store_true", help="with --all: do not ask")
    parser.add_argument(
        "--destroy-foreign",
        action="store_true",
        help="with --all --yes: also containers and volumes that are not Berth's, on the Docker Engine that Berth runs",
    )
    options = parser.parse_args(arguments)
    berth = config.read()
    if not (berth.home / home.MARK).exists():
        sys.stdout.write(f"There is no Berth in {berth.home}.\n")
        return 0
    if options.all and not _agreed(berth, options.yes, options.destroy_foreign):
        return 1
    steps = Steps()
    if not _stop(berth, steps):
        return 1
    if options.all:
        return _remove(berth, steps)
    sys.stdout.write("Berth is down; apps and edge serve on.\n")
    return 0


def _agreed(berth: Config, yes: bool, destroy_foreign: bool) -> bool:
    """Ask, unless `yes` was said; which is no word on what others have on the engine that Berth runs."""
    more, works = removal.goes_too(berth)
    if yes:
        if works and not destroy_foreign:
            sys.stderr.write(
                f"berth: {more}\nNothing was stopped or removed. Take along what is needed, or say "
                "./berth down --all --yes --destroy-foreign\n"
            )
        return destroy_foreign or not works
    sys.stdout.write(f"This removes every app of this Berth, its volumes and images, and {berth.home} for good.\n")
    sys.stdout.write(f"{more}\n" if more else "")
    try:
        return input("Type yes to go on: ").strip() == "yes"
    except EOFError:
        sys.stderr.write("berth: nobody to ask; use --yes\n")
        return False


def _stop(berth: Config, steps: Steps) -> bool:
    """End the supervisor, which ends the rest, or what a killed one has left."""
    last = record.read(berth.run)
    supervisor = record.supervisor(last)
    if supervisor is not None:
        with steps.step("stopping") as step:
            supervisor.signal(signal.SIGTERM)
            for _ in range(PATIENCE * 10):
                left = [name for name, _ in record.orphans(record.read(berth.run)) if name != "dockerd"]
                step.detail = ", ".join(left)
                steps.tick()
                if supervisor.wait(0.1):
                    step.detail = ""
                    return True
            step.detail = f"the supervisor (pid {supervisor.pid}) does not end"
        return False
    for name, identity in record.orphans(last):
        if name != "dockerd":
            with steps.step(f"stopping {name}"):
                identity.end()
    return True


def _remove(berth: Config, steps: Steps) -> int:
    """The edge first, so that it serves nothing that is gone. What fails is said, and the home is kept then."""
    failed, own = False, removal.own_url(berth)
    with steps.step("removing the edge"):
        removal.end_edge(berth)
    for url in sorted(removal.node_urls(berth)):
        try:
            with steps.step("removing apps") as step:
                step.detail = url
                removed, left = removal.clear_engine(url, berth)
                step.detail = f"{url}: {removed}"
        except Exception as error:  # an engine can fail in many ways; the other nodes are cleared all the same
            sys.stderr.write(f"berth: {url}: {error}\n")
            failed = True
        else:
            if left and url != own:  # what is left on an engine of our own goes with it
                sys.stderr.writelines(f"berth: {what}\n" for what in left)
                failed = True
    if failed:
        sys.stderr.write(f"berth: kept {berth.home}, so that ./berth down --all can be said again\n")
        return 1
    with steps.step("removing the engine") as step:
        step.detail = "ended" if removal.end_engine(berth) else "not ours"
    with steps.step("removing the data") as step:
        removal.remove_home(berth)
        step.detail = str(berth.home)
    given = [name for name, value in _given(berth) if value]
    if given:
        sys.stdout.write(f"Left as it is: what lies behind {', '.join(given)}.\n")
    return 0


def _given(berth: Config) -> list[tuple[str, str]]:
    return [
        ("DATABASE_URL", berth.database_url),
        ("BERTH_REDIS_URL", berth.redis_url),
        ("BERTH_ETCD", berth.etcd),
        ("BERTH_REGISTRY", berth.registry),
    ]
