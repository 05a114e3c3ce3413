"""What the loop does to an engine, one instance at a time. No database here: these run in parallel threads.

Each effect may be repeated, and each is written so that a death between any two of its calls leaves nothing that
the next attempt cannot pick up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.engine.base import (
    AddressTaken,
    ContainerSpec,
    Engine,
    EngineError,
    ImageMissing,
    NameTaken,
    NetworkMissing,
    NetworkSpec,
    NotFound,
)

LOG_LINES = 20
ATTEMPTS = 4  # an image, a network and a name in the way are each put right once


class SubnetTaken(Exception):
    """The group's subnet overlaps with a network that is not Berth's."""


@dataclass(frozen=True, slots=True)
class Launched:
    container: str
    images: Mapping[str, int] | None = None  # what the engine has, where it had to fetch the image


@dataclass(frozen=True, slots=True)
class LaunchFailed:
    """Why it does not run. `temporary`: the same may succeed later. The last two are no fault of its own."""

    error: str
    temporary: bool = False
    address_taken: bool = False
    subnet_taken: bool = False


def launch(engine: Engine, container: ContainerSpec, network: NetworkSpec) -> Launched | LaunchFailed:
    """Make and start a container.

    The image and the network are there nearly always, so they are not asked for first: the engine says when one is
    missing, and then it is fetched or made and the call repeated.
    """
    images: Mapping[str, int] | None = None
    try:
        for _ in range(ATTEMPTS):
            try:
                if made := _attempt(engine, container, network):
                    return Launched(made, images)
            except ImageMissing:
                engine.pull(container.digest)
                images = _images(engine)
    except SubnetTaken as error:
        return LaunchFailed(str(error), subnet_taken=True)
    except AddressTaken as error:
        return LaunchFailed(str(error), address_taken=True)
    except EngineError as error:
        return LaunchFailed(str(error), temporary=error.temporary)
    return LaunchFailed("what it needs was made and is missing again", temporary=True)


def _attempt(engine: Engine, container: ContainerSpec, network: NetworkSpec) -> str | None:
    """The started container's id, or None: something was in the way and has been put right. Raises `ImageMissing`."""
    try:
        made = engine.create(container)
        engine.start(made)
    except NetworkMissing:
        _make_network(engine, network)
    except NameTaken:
        # A name of this form is Berth's alone: what bears it is left over from an app of the same name.
        engine.remove(container.name)
    except NotFound:
        pass  # removed between the two calls
    else:
        return made
    return None


def _images(engine: Engine) -> Mapping[str, int] | None:
    """What images the engine has now; None when it cannot say, which fails nothing."""
    with contextlib.suppress(EngineError):
        return engine.image_sizes()
    return None


def _make_network(engine: Engine, network: NetworkSpec) -> None:
    try:
        engine.ensure_network(network)
    except AddressTaken as error:
        raise SubnetTaken(str(error)) from error


def stop(engine: Engine, container: str) -> bool:
    """Send the stop signal. False: the engine cannot be told now."""
    try:
        engine.terminate(container)
    except NotFound:
        return True
    except EngineError as error:
        return not error.temporary
    return True


def remove(engine: Engine, container: str) -> bool:
    """Remove a container. False: the engine cannot be told now."""
    try:
        engine.remove(container)
    except EngineError:
        return False
    return True


def last_lines(engine: Engine, container: str) -> str:
    """The newest lines that the container logged; empty when nobody can tell."""
    with contextlib.suppress(EngineError):
        # an engine reads the two streams each by itself, and so may list a later line before an earlier one
        lines = sorted(engine.logs(container, tail=LOG_LINES), key=lambda line: line.at)
        return "\n".join(line.text for line in lines)
    return ""
