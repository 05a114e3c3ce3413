"""What apps claim of hosts and of the edges' ports, inside the caller's transaction.

A host belongs to the group that has a route on it: no other takes a path of it over, or is sent its cookies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from apps.applications import http_spec, redirects
from apps.applications.models import App, Route
from apps.errors import FieldError, Invalid, invalid
from scheduler import routing

Claim = tuple[str, str, str]  # host, path, extension
LOCK = 0x62657274  # of PostgreSQL's advisory locks: "bert"


def set_routes(app: App, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Have the app claim exactly these routes. Raises `Invalid`, naming the route."""
    values = [http_spec.as_route(each) for each in wanted]
    claims = {
        key: each.get("redirect") for each, value in zip(wanted, values, strict=True) for key in http_spec.keys(value)
    }
    present = {(row.host, row.path, row.extension): row for row in app.routes.all()}
    if {key: row.redirect for key, row in present.items()} == claims:
        return
    _one_at_a_time()
    _check(app, values)
    for key, row in present.items():
        if key in claims and row.redirect == claims[key]:
            del claims[key]
        else:
            row.delete()
    # sorted, so that two apps that want the same ones do not wait for each other
    fresh = [
        Route(app=app, host=host, path=path, extension=extension, redirect=redirect)
        for (host, path, extension), redirect in sorted(claims.items(), key=lambda claim: claim[0])
    ]
    try:
        with transaction.atomic():
            Route.objects.bulk_create(fresh)
    except IntegrityError:  # another app was faster
        _check(app, values)
        raise


def set_tcp_port(app: App, expose: bool) -> None:
    """Give the app a port of the edges, which it keeps as long as it is exposed; the caller saves it. `Invalid`."""
    if not expose or app.tcp_port is not None:
        app.tcp_port = app.tcp_port if expose else None
        return
    _one_at_a_time()
    taken = set(App.objects.exclude(tcp_port=None).values_list("tcp_port", flat=True))
    app.tcp_port = next((port for port in settings.BERTH.tcp_ports if port not in taken), None)
    if app.tcp_port is None:
        raise invalid("expose", "no_port", _("All ports for apps that are served over TCP are taken."))


def _one_at_a_time() -> None:
    """Two groups that take paths of one host at once would not see each other's; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _check(app: App, wanted: Sequence[routing.Route]) -> None:
    others = Route.objects.filter(host__in={route.host for route in wanted}).exclude(app=app)
    taken, foreign = set(), set()
    for host, path, extension, group in others.values_list("host", "path", "extension", "app__group_id"):
        taken.add((host, path, extension))
        if group != app.group_id:
            foreign.add(host)
    errors = [*_errors(wanted, taken, foreign), *_loops(app, wanted)]
    if errors:
        raise Invalid(errors)


def _errors(wanted: Sequence[routing.Route], taken: set[Claim], foreign: set[str]) -> Iterator[FieldError]:
    for index, route in enumerate(wanted):
        if not taken.isdisjoint(http_spec.keys(route)):
            yield FieldError(f"routes[{index}]", "route_taken", _("Another app has this route."))
        elif route.host in foreign:
            yield FieldError(f"routes[{index}].host", "host_taken", _("Another group has this host."))


def _loops(app: App, wanted: Sequence[routing.Route]) -> Iterator[FieldError]:
    """Redirects that lead in circles by way of other apps."""

    def routes_of(host: str) -> Iterator[routing.Route]:
        yield from (route for route in wanted if route.host == host)
        for row in Route.objects.filter(host=host).exclude(app=app):
            extensions = [row.extension] if row.extension else []
            yield http_spec.as_route(
                {"host": row.host, "path": row.path, "extensions": extensions, "redirect": row.redirect}
            )

    for index, route in enumerate(wanted):
        if redirects.loops(route, routes_of):
            yield FieldError(f"routes[{index}].redirect", "redirect_loop", http_spec.loop_message())
