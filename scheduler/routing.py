"""How requests find an app and what an edge does with them on the way: values, pure.

Sizes are in bytes, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a route sends its clients instead of serving them. What is empty stays as the client asked for it.

    A redirect of the scheme alone sends no client that has the scheme already.
    """

    scheme: str = ""
    host: str = ""
    path: str = ""  # this very path, not a prefix; the query stays
    permanent: bool = False

    @property
    def only_scheme(self) -> bool:
        return not self.host and not self.path


@dataclass(frozen=True, slots=True)
class Route:
    """Host and path prefix under which an edge serves an app. The path matches whole segments.

    With `extensions` it is only about paths whose last segment ends in one of them, and comes before every route
    of the host without.
    """

    host: str
    path: str = "/"
    extensions: tuple[str, ...] = ()  # lower case, without the dot
    redirect: Redirect | None = None
    rewrite: str = ""  # the prefix that the app sees in place of `path`; empty: the path as it is

    @property
    def plain(self) -> bool:
        """Whether an edge has nothing to do but to pass requests on."""
        return self.redirect is None and not self.rewrite


@dataclass(frozen=True, slots=True)
class Headers:
    """What is changed about the headers of a message: removed first, then set."""

    set: tuple[tuple[str, str], ...] = ()  # name, value; in place of every header of the name
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What an edge does with all requests to an app. Zero and empty: nothing."""

    sticky: bool = False  # a client stays with its instance, by a cookie
    request: Headers = Headers()
    response: Headers = Headers()
    rate: int = 0  # requests a second that one client's address may make, at each edge
    max_body: int = 0
    allow: tuple[str, ...] = ()  # networks; anyone else is refused
    users: tuple[tuple[str, str], ...] = ()  # name and crypt(3) hash, for basic authentication
    maintenance: bool = False
    maintenance_text: str = ""
    error_text: str = ""  # on the page that stands for a missing or broken answer
    timeout: float = 60.0  # how long an instance may say nothing


@dataclass(frozen=True, slots=True)
class Split:
    """How the traffic of an app is divided between its stable release and one that is tried."""

    weight: int = 0  # percent that the canary gets
    header: tuple[str, str] | None = None  # name and value of a request's header that asks for it
    cookie: tuple[str, str] | None = None  # likewise of a cookie


def load_route(value: Mapping[str, Any]) -> Route:
    """A route from its JSON. Raises `TypeError`, `KeyError`."""
    redirect = value.get("redirect")
    return Route(
        value["host"],
        value["path"],
        tuple(value.get("extensions", ())),
        Redirect(**redirect) if redirect is not None else None,
        value.get("rewrite", ""),
    )


def load_http(value: Mapping[str, Any]) -> HttpOptions:
    """The options from their JSON; those that are missing are off. Raises `TypeError`, `ValueError`."""
    given = dict(value)
    for name in ("request", "response"):
        if name in given:
            given[name] = Headers(_pairs(given[name]["set"]), tuple(given[name]["remove"]))
    if "users" in given:
        given["users"] = _pairs(given["users"])
    if "allow" in given:
        given["allow"] = tuple(given["allow"])
    return HttpOptions(**given)


def load_split(value: Mapping[str, Any]) -> Split:
    """Raises `TypeError`, `KeyError`, `ValueError`."""
    return Split(value["weight"], _pair(value.get("header")), _pair(value.get("cookie")))


def _pair(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    name, text = value
    return name, text


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in value)
