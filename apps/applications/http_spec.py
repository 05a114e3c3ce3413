"""The part of a spec that edges do: routes and what happens to requests. See `spec`.

What is stored of a password is its hash, in the place where it was given; all that is shown is a mask.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from apps.applications import grammar, passwords, redirects
from apps.applications.reading import Fields, strings
from apps.applications.secrets import MASK
from apps.checks import Wrong, boolean, integer, one_of, quantity, text
from apps.quantities import parse_bytes, parse_duration, show_bytes, show_duration
from scheduler.routing import Headers, HttpOptions, Redirect, Route

MOST_EXTENSIONS, MOST_HEADERS, MOST_NETWORKS, MOST_USERS = 16, 32, 256, 64
MOST_RATE = 100_000  # requests a second
LARGEST_BODY = 1 << 40
LONGEST_TEXT = 500
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128
_EXTENSION = re.compile(r"[a-z0-9]{1,16}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,998}[!-~])?", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
# what frames a message, belongs to one connection, or says who asked: the edge's business alone
_RESERVED = re.compile(
    r"connection|content-length|expect|forwarded|host|http2-settings|keep-alive|proxy-.*|te|trailer|transfer-encoding"
    r"|upgrade|x-forwarded-(for|host|prefix|proto)",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT = HttpOptions()


def route(fields: Fields) -> dict[str, Any]:
    extensions = strings(_extension, MOST_EXTENSIONS)
    checked = {
        "host": fields.take("host", grammar.host, "", required=True),
        "path": fields.take("path", grammar.route_path, "/"),
        "extensions": fields.take("extensions", lambda value: sorted(set(extensions(value))), []),
        "rewrite": fields.take("rewrite", grammar.route_path, None),
        "redirect": _redirect(fields),
    }
    if checked["rewrite"] and checked["redirect"]:
        fields.wrong("rewrite", "redirected", _("A route that redirects passes nothing on."))
    fields.end()
    return checked


def _redirect(fields: Fields) -> dict[str, Any] | None:
    inner = fields.inner_or_none("redirect")
    if inner is None:
        return None
    leads = any(map(inner.has, ("scheme", "host", "path")))  # wherever: one that is wrong says so itself
    checked = {
        "scheme": inner.take("scheme", one_of("http", "https"), None),
        "host": inner.take("host", grammar.dns_name, None),
        "path": inner.take("path", grammar.route_path, None),
        "permanent": inner.take("permanent", boolean, False),
    }
    inner.end()
    if not leads:
        fields.wrong("redirect", "no_target", _("A redirect names another scheme, host or path."))
    return checked


def check_routes(fields: Fields, routes: list[dict[str, Any]]) -> None:
    """Note routes that are there twice, and redirects that lead in circles among them."""
    seen = set()
    for index, each in enumerate(routes):
        for key in keys(as_route(each)):
            if key in seen and each["host"]:
                fields.wrong(f"routes[{index}]", "duplicate", _("This route is listed twice."))
                break
        seen |= set(keys(as_route(each)))
    values = [as_route(each) for each in routes]
    for index, value in enumerate(values):
        if value.host and redirects.loops(value, lambda host: [each for each in values if each.host == host]):
            fields.wrong(f"routes[{index}].redirect", "redirect_loop", loop_message())


def loop_message() -> str:
    return _("This redirect leads back to where it began.")


def keys(value: Route) -> list[tuple[str, str, str]]:
    """Host, path and extension of everything that a route claims."""
    return [(value.host, value.path, extension) for extension in value.extensions or ("",)]


def as_route(value: Mapping[str, Any]) -> Route:
    to = value.get("redirect")
    redirect = Redirect(to["scheme"] or "", to["host"] or "", to["path"] or "", to["permanent"]) if to else None
    return Route(value["host"], value["path"], tuple(value.get("extensions", ())), redirect, value.get("rewrite") or "")


def http(fields: Fields, previous: Mapping[str, str]) -> dict[str, Any]:
    """`previous`: hashes by user, for those whose mask or hash is given in the place of a password."""
    checked = {
        "sticky": fields.take("sticky", boolean, False),
        "request_headers": _headers(fields.inner("request_headers")),
        "response_headers": _headers(fields.inner("response_headers")),
        "rate": fields.take("rate", integer(1, MOST_RATE), None),
        "max_body": fields.take("max_body", quantity(parse_bytes, show_bytes, 1, LARGEST_BODY), None),
        "allow": fields.take("allow", strings(_network, MOST_NETWORKS), []),
        "users": _users(fields.inner("users"), previous),
        "maintenance": fields.take("maintenance", boolean, False),
        "maintenance_text": fields.take("maintenance_text", _page_text, ""),
        "error_text": fields.take("error_text", _page_text, ""),
        "timeout": fields.take(
            "timeout", quantity(parse_duration, show_duration, 1, 86400), show_duration(_DEFAULT.timeout)
        ),
    }
    fields.end()
    return checked


def defaults() -> dict[str, Any]:
    """The options of an app about which nothing is said."""
    return http(Fields({}, "", []), {})


def as_http(value: Mapping[str, Any]) -> HttpOptions:
    return HttpOptions(
        sticky=value["sticky"],
        request=_as_headers(value["request_headers"]),
        response=_as_headers(value["response_headers"]),
        rate=value["rate"] or 0,
        max_body=parse_bytes(value["max_body"]) if value["max_body"] else 0,
        allow=tuple(value["allow"]),
        users=tuple(sorted(value["users"].items())),
        maintenance=value["maintenance"],
        maintenance_text=value["maintenance_text"],
        error_text=value["error_text"],
        timeout=parse_duration(value["timeout"]),
    )


def shown(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A stored spec as people may see it: nothing of passwords."""
    if "http" not in spec:  # a release from before edges had options
        return dict(spec)
    return {**spec, "http": {**spec["http"], "users": dict.fromkeys(spec["http"]["users"], MASK)}}


def _headers(fields: Fields) -> dict[str, Any]:
    inner = fields.inner("set")
    values = {}
    for name in inner.names():
        value = inner.take(name, _header_value, None)
        try:
            if value is not None:
                values[_header(name)] = value
        except Wrong as wrong:
            inner.wrong(name, wrong.code, str(wrong))
    removed = fields.take("remove", strings(_header, MOST_HEADERS), [])
    fields.end()
    names = [name.lower() for name in (*values, *removed)]
    if len(names) > MOST_HEADERS or len(set(names)) < len(names):
        fields.wrong("set", "invalid_list", _("At most %(most)s headers, each of them once.") % {"most": MOST_HEADERS})
    return {"set": values, "remove": removed}


def _as_headers(value: Mapping[str, Any]) -> Headers:
    return Headers(tuple(value["set"].items()), tuple(value["remove"]))


def _users(fields: Fields, previous: Mapping[str, str]) -> dict[str, str]:
    users = {}
    for name in fields.names():
        known = previous.get(name)
        stored = fields.take(name, lambda given, known=known: _password(given, known), None)
        if not _USER.fullmatch(name):
            fields.wrong(name, "invalid_name", _("A user's name has letters, digits and . _ @ -"))
        elif stored is not None:
            users[name] = stored
    if len(users) > MOST_USERS:
        fields.wrong("", "too_large", _("There are at most %(most)s users.") % {"most": MOST_USERS})
    return users


def _password(value: object, known: str | None) -> str:
    """The hash to store. Whoever sets the same password again changes nothing."""
    given = text(value, LONGEST_PASSWORD)
    if known is not None and given in (MASK, known):
        return known
    if given == MASK:
        raise Wrong("masked", _("This is the mask of a value, not a value."))
    if len(given) < SHORTEST_PASSWORD:
        raise Wrong("too_short", _("A password has at least %(least)s characters.") % {"least": SHORTEST_PASSWORD})
    return known if known is not None and passwords.matches(given, known) else passwords.hashed(given)


def _extension(value: object) -> str:
    extension = text(value, 17).removeprefix(".").lower()
    if not _EXTENSION.fullmatch(extension):
        raise Wrong("invalid_extension", _("An extension has letters and digits, such as css."))
    return extension


def _header(value: object) -> str:
    name = text(value, 64)
    if not _HEADER.fullmatch(name):
        raise Wrong("invalid_header", _("A header's name has letters, digits and -, and starts with a letter."))
    if _RESERVED.fullmatch(name):
        raise Wrong("reserved_header", _("This header is the edge's own."))
    return name


def _header_value(value: object) -> str:
    checked = text(value, 1000)
    if not _HEADER_VALUE.fullmatch(checked):
        raise Wrong("invalid_header", _("A header's value has printable ASCII characters, and no space at its ends."))
    return checked


def _network(value: object) -> str:
    try:
        return str(ipaddress.ip_network(text(value, 50)))
    except ValueError as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong("invalid_network", _("A network is written like 192.0.2.0/24 or 2001:db8::/32.")) from None


def _page_text(value: object) -> str:
    return text(value, LONGEST_TEXT)
