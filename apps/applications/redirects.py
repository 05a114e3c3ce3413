"""Where redirects lead in the end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scheduler.routing import Route

Lookup = Callable[[str], Iterable[Route]]  # all routes of a host
MOST_HOPS = 20  # browsers give up about there


def loops(route: Route, routes_of: Lookup) -> bool:
    """Whether a client that comes to the route is sent round in circles, as far as hosts of this installation go.

    A redirect of the scheme alone is left out: it sends nobody who has followed it once.
    """
    at: Route | None = route
    place = (route.host, _sample(route))
    seen = set()
    while at is not None and at.redirect is not None and not at.redirect.only_scheme:
        if place in seen or len(seen) >= MOST_HOPS:
            return True
        seen.add(place)
        place = (at.redirect.host or place[0], at.redirect.path or place[1])
        at = find(*place, routes_of)
    return False


def find(host: str, path: str, routes_of: Lookup) -> Route | None:
    """The route that an edge would take: by extension first, then the longest prefix of whole segments."""
    fitting = [route for route in routes_of(host) if fits(route, path)]
    return max(fitting, key=lambda route: (bool(route.extensions), len(route.path)), default=None)


def fits(route: Route, path: str) -> bool:
    if not f"{path}/".startswith(f"{route.path.rstrip('/')}/"):
        return False
    if not route.extensions:
        return True
    _name, dot, extension = path.rpartition("/")[2].rpartition(".")
    return bool(dot) and extension.lower() in route.extensions


def _sample(route: Route) -> str:
    """A path that comes to the route."""
    return f"{route.path.rstrip('/')}/x.{route.extensions[0]}" if route.extensions else route.path
