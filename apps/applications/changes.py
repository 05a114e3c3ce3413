"""What is different between two releases, field by field, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.applications.models import Release
from apps.applications.secrets import decrypt

NOTHING = "–"
USERS = "http.users."  # whose values are hashes of passwords


@dataclass(frozen=True, slots=True)
class Change:
    """One field of the spec by its path. For what is secret in it `before` and `after` stay empty."""

    path: str
    before: str = ""
    after: str = ""


def changes(before: Release, after: Release) -> list[Change]:
    """From one release to a later one, by path. Raises `Undecryptable`."""
    old, new = dict(_flat(before.spec)), dict(_flat(after.spec))
    found = [
        Change(path, old.get(path, NOTHING), new.get(path, NOTHING))
        for path in sorted(old.keys() | new.keys())
        if old.get(path, NOTHING) != new.get(path, NOTHING)
    ]
    if before.digest != after.digest and before.spec["image"] == after.spec["image"]:
        found.append(Change("digest", before.digest[-12:], after.digest[-12:]))
    found = [Change(each.path) if each.path.startswith(USERS) else each for each in found]
    then, now = decrypt(before.env), decrypt(after.env)
    found += [Change(f"env.{name}") for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]
    return found


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if name == "env":
            continue
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{above}{name}.")
        else:
            yield above + name, _text(inner)


def _text(value: Any) -> str:
    match value:
        case None | []:
            return NOTHING
        case [*items]:
            return ", ".join(_text(item) for item in items)
        case {"host": host, "path": path, **more}:
            said = " ".join(f"{name}={_text(option)}" for name, option in more.items() if option)
            return f"{host}{path} {said}".strip()
        case Mapping():
            return " ".join(f"{name}={_text(inner)}" for name, inner in value.items())
        case _:
            return str(value)
