"""What an edge does with the requests of one app: the rules of its backend. Pure; from values that passed `grammar`.

They lie in the app's own section, so a request passes those of its app alone, however many apps there are.
Where a route has rules of its own, the map of routes has told which route it was (`txn.route`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from scheduler.discovery import AppConfig
from scheduler.edge import accesslog
from scheduler.edge.backend import NONE, TRIED, Backend
from scheduler.edge.folder import Folder
from scheduler.edge.https import PORT
from scheduler.model import Protocol
from scheduler.routing import Headers, Redirect, Route, Split

WORDS_A_LINE = 32  # HAProxy takes at most 64 words
COOKIE, CANARY_COOKIE = "berth-instance", "berth-canary"
BODY_BEGINS = "10s"  # within which the first of a body has to come
TRIES = 3  # servers of the canary that a request is offered to, before others get it


def route_value(backend: str, number: int, route: Route) -> str:
    """What the map of routes says of a route: the backend, and which of its routes it is if that matters."""
    return backend if route.plain else f"{backend}/{number}"


def before(wanted: Backend) -> str:
    """Sections that the backend's own refers to."""
    text = ""
    if wanted.config.http.users:
        text += f"userlist {wanted.name}\n"
        text += "".join(f"    user '{name}' password '{hashed}'\n" for name, hashed in wanted.config.http.users)
    if wanted.config.tcp_port:
        # no group's name and app's name make this one: an app's name begins with a letter
        text += f"frontend tcp.{wanted.config.tcp_port} from tcp\n    {accesslog.LOG}\n"
        text += f'    bind "${{BERTH_EDGE_ADDRESS}}:{wanted.config.tcp_port}"\n    default_backend {wanted.name}\n'
    return text


def lines(wanted: Backend, folder: Folder) -> Iterator[str]:
    """Lines of the backend, in the order in which they count: who is let in comes before what is done for them."""
    config, http = wanted.config, wanted.config.http
    if config.protocol is not Protocol.HTTP:
        return
    yield f"timeout server {max(1, round(http.timeout * 1000))}ms"
    if http.error_text:
        for status, title in ((502, "Bad Gateway"), (503, "Service Unavailable"), (504, "Gateway Timeout")):
            yield f"http-error {_answer(status, title, http.error_text)}"
    if http.sticky:
        yield f"cookie {COOKIE} insert indirect nocache httponly dynamic attr SameSite=Lax"
        yield f"dynamic-cookie-key {config.cookie_key or wanted.name}"
    if config.canary is not None:
        yield from _split(wanted.name, config.canary, http.sticky, folder.canaries)
    if http.allow:
        yield networks("allowed", http.allow).strip()
        yield f"http-request return {_answer(403, 'Forbidden', 'Not from where you are.')} unless allowed"
    if http.rate:
        yield "stick-table type ipv6 size 100k expire 10s store http_req_rate(1s)"
        yield "http-request track-sc0 src"
        too_many = _answer(429, "Too Many Requests", "Try again in a moment.")
        yield f"http-request return {too_many} hdr Retry-After 1 if {{ sc0_http_req_rate gt {http.rate} }}"
    if http.maintenance:
        text = http.maintenance_text or "This is being worked on, and will be back soon."
        yield f"http-request return {_answer(503, 'Maintenance', text)} hdr Retry-After 60"
        return
    if http.users:
        yield f"http-request auth realm {wanted.name} unless {{ http_auth({wanted.name}) }}"
        yield "http-request del-header Authorization"
    if http.max_body:
        too_large = _answer(413, "Content Too Large", "That is too much at once.")
        yield f"http-request return {too_large} if {{ req.body_size gt {http.max_body} }}"
        # a body that does not say how long it is could only be cut off half way through
        no_length = f"http-request return {_answer(411, 'Length Required', 'Say how long it is.')}"
        yield f"{no_length} if {{ req.hdr(transfer-encoding) -m found }}"
        # over HTTP/2 nothing in a request's head tells whether a body comes: that is seen when it does, or ends
        unsaid = "!{ req.hdr(content-length) -m found }"
        yield f"http-request wait-for-body time {BODY_BEGINS} at-least 1 if {unsaid}"
        yield f"{no_length} if {unsaid} {{ req.body_len gt 0 }}"
    yield from _routes(wanted.name, config, folder)
    yield from _headers("request", http.request)
    yield from _headers("response", http.response)


def _split(name: str, split: Split, sticky: bool, canaries: Path) -> Iterator[str]:
    """Send a share of the requests, and those that ask for it, to the servers that the map of canaries lists.

    These have no weight, so nothing else gets there. Whose server is down is tried with the next ones, and then with
    whoever has weight. Where nobody has, canaries serve all.

    Of a sticky app the clients that have an instance's cookie are with the stable release, and stay. HAProxy gives none
    for a server that was chosen by name, so those that the canary has served get a cookie of another name.
    """
    yield f"http-request set-var(txn.weight) str({name}/weight),map({canaries},0),add(0)"
    yield f"http-request set-var(txn.canaries) str({name}/count),map({canaries},0),add(0)"
    asked = []
    if split.header is not None:
        asked.append(f"{{ req.fhdr({split.header[0]}) -m str {split.header[1]} }}")
    if split.cookie is not None:
        asked.append(f"{{ req.cook({split.cookie[0]}) -m str {split.cookie[1]} }}")
    for this in asked:
        yield f"http-request set-var(txn.asked) bool(true) if {this}"
    yield "http-request set-var(txn.canary) bool(true) if { var(txn.asked) -m bool }"
    if sticky:
        yield f"http-request set-var(txn.token) str({name}/token),map({canaries},{NONE})"
        yield f"http-request set-var(txn.kept) bool(true) if {{ req.cook({CANARY_COOKIE}),strcmp(txn.token) eq 0 }}"
        yield "http-request set-var(txn.canary) bool(true) if { var(txn.kept) -m bool }"
    new = f" !{{ req.cook({COOKIE}) -m found }}" if sticky else ""
    yield f"http-request set-var(txn.canary) bool(true) if {{ rand(100),sub(txn.weight) lt 0 }}{new}"
    yield f"http-request set-var(txn.canary) bool(true) if {{ nbsrv({name}) eq 0 }}"
    some = "{ var(txn.canary) -m bool } { var(txn.canaries) -m int gt 0 }"
    yield f"http-request set-var(txn.pick) rand(1000000),mod(txn.canaries) if {some}"
    if sticky:
        yield f"http-request set-var(txn.pick) src,crc32,mod(txn.canaries) if {some}"  # a client has one of them
    if sticky and asked:
        yield "ignore-persist if { var(txn.asked) -m bool } { var(txn.canaries) -m int gt 0 }"
    for further in range(TRIES):
        number = f"var(txn.pick),add({further}),mod(txn.canaries)"
        yield f"http-request set-var(txn.try{further}) {number} if {some}"
        yield f"use-server %[str({name}/),concat(,txn.try{further}),map({canaries},{NONE})] if {some}"
    if sticky:
        yield "http-response set-var(txn.server) srv_name"
        yield f"http-response set-var(txn.tried) str({name}/),concat(,txn.server),map({canaries},{NONE})"
        cookie = f"{CANARY_COOKIE}=%[var(txn.token)]; path=/; HttpOnly; SameSite=Lax"
        first = f"{{ var(txn.tried) -m str {TRIED} }} !{{ var(txn.kept) -m bool }}"
        yield f"http-response add-header Set-Cookie '{cookie}' if {first}"


def _routes(name: str, config: AppConfig, folder: Folder) -> Iterator[str]:
    for number, route in enumerate(config.routes):
        if route.plain:
            continue
        this = f"{{ var(txn.route) -m str {route_value(name, number, route)} }}"
        if route.redirect is not None:
            yield from _redirect(route.redirect, this, folder)
        if route.rewrite:
            prefix, target = route.path.rstrip("/"), route.rewrite.rstrip("/")
            yield f"http-request set-header X-Forwarded-Prefix '{_format(prefix or '/')}' if {this}"
            rest = f"%[path,bytes({len(prefix)})]" if prefix else "%[path]"
            if target:
                yield f"http-request set-path '{_format(target)}{rest}' if {this}"
            elif prefix:
                yield f"http-request set-var(txn.rest) path,bytes({len(prefix)}) if {this}"
                yield f"http-request set-path '%[var(txn.rest)]' if {this} {{ var(txn.rest) -m beg / }}"
                yield f"http-request set-path / if {this} !{{ var(txn.rest) -m beg / }}"


def _redirect(to: Redirect, this: str, folder: Folder) -> Iterator[str]:
    """What is not named stays as it was asked for. `this`: the condition that a request is for the route."""
    scheme = to.scheme or "%[req.hdr(X-Forwarded-Proto)]"
    unless = f" !{{ req.hdr(X-Forwarded-Proto) -m str {to.scheme} }}" if to.only_scheme else ""
    if to.host:
        path = _format(to.path) if to.path else "%[path]"
        yield f"http-request set-var-fmt(txn.target) '{to.host}{path}/' if {this}"
    begin = f"http-request redirect code {308 if to.permanent else 307} location '{scheme}://"
    for host, condition in _destinations(to, folder):
        when = f"if {this}{unless}{condition}"
        if not to.path:
            yield f"{begin}{host}%[pathq]' {when}"
        else:
            yield f"{begin}{host}{_format(to.path)}?%[query]' {when} {{ query -m found }}"
            yield f"{begin}{host}{_format(to.path)}' {when}"


def _destinations(to: Redirect, folder: Folder) -> Iterator[tuple[str, str]]:
    """Where a redirect leads, host and port, each with when; the first that is so counts.

    Ports are those of `https.ports`. A host that is not served here has its own.
    """
    named = " { req.fhdr(host),port_only gt 0 }"
    if not to.scheme and not to.host:
        yield "%[req.hdr(host)]", ""
        return
    host = to.host or "%[req.fhdr(host),host_only,rtrim(.)]"
    here = f" {{ var(txn.target),map_beg('{folder.routes}') -m found }}" if to.host else ""
    if not to.scheme:
        yield f"{host}:%[req.fhdr(host),port_only]", f"{named}{here}"
    else:
        yield f"{host}%[env({PORT}{to.scheme.upper()}_OURS)]", f"{named}{here}"
        yield f"{host}%[env({PORT}{to.scheme.upper()}_USUAL)]", here
    if to.host:
        yield host, ""


def _headers(kind: str, headers: Headers) -> Iterator[str]:
    for name in headers.remove:
        yield f"http-{kind} del-header {name}"
    for name, value in headers.set:
        yield f"http-{kind} set-header {name} {quoted(_format(value))}"


def _answer(status: int, title: str, text: str) -> str:
    return f"status {status} content-type text/html string '{page(f'{status} {title}', text)}'"


def networks(name: str, listed: Collection[str]) -> str:
    """Lines that say by which networks an address is of this kind."""
    words = list(listed)
    starts = range(0, len(words), WORDS_A_LINE)
    return "".join(f"    acl {name} src {' '.join(words[at : at + WORDS_A_LINE])}\n" for at in starts)


def _format(text: str) -> str:
    """Text that is to come out of a log-format string as it is."""
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    """One word of HAProxy's configuration. Nothing means anything between single quotes but a single quote."""
    return "'" + text.replace("'", "'\\''") + "'"


def page(title: str, text: str) -> str:
    """A page of HTML without a sign that means something to HAProxy between single quotes."""
    said = "".join(sign if sign.isascii() and (sign.isalnum() or sign in " .,") else f"&#{ord(sign)};" for sign in text)
    return f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{said}</p><hr><p>Berth</p>"
