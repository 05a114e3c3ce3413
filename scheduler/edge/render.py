"""HAProxy's files, from values that passed `grammar`. Pure.

The configuration is one file for the edge itself and one file an app, so that a change writes as little as it changes.
An app's file says all that the agent has to know of it after its own restart: the config as JSON in its first line,
and behind each server which instance it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from scheduler.discovery import dump_config, load_config
from scheduler.edge import accesslog, https, rules
from scheduler.edge.backend import Backend, server, shut, weight
from scheduler.edge.folder import Folder
from scheduler.edge.rules import page
from scheduler.model import Endpoint, Protocol

QUICK = 0.25  # seconds at most between checks of a server that is down or on its way up or down
LONGEST_LIFE = "12h"  # of a connection that outlives a reload: a websocket, a long answer
MOST_LIVES = 50  # reloads that it outlives: each keeps a worker's memory in use
KEEP_ALIVE = 10.0  # seconds that a client's connection may idle between requests
USER_AGENT = "Berth"  # of health checks
SPARE = "127.0.0.1:1 disabled"
WRITTEN = "# Written by Berth's edge agent. Changes are lost."
RECORD = "# app "
PROTO_SAID = "{ req.fhdr(x-forwarded-proto) -m str http https }"
SERVER = re.compile(
    r"    server s(\d+) (\S+):(\d+)(?: disabled)?(?: weight 0)?"
    r" # (\S+)(?: r(\d+))?(?: (/\S*))?( canary)?(?: (draining|standby))?"
)
STATE_COLUMNS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight"
    " srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state"
    " bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr"
    " srv_agent_addr srv_agent_port"
)


def base(
    folder: Folder,
    bind: str,
    user: str,
    proxies: Collection[str] = (),
    *,
    https_bind: str = "",
    https_only: bool = False,
    extensions: bool = False,
) -> str:
    """The edge's own part: everything but the apps. `user`: whom HAProxy becomes after binding; empty: nobody else.

    `proxies`: networks of those in front of the edge whose word on who asked is taken. `https_bind`: where it takes
    encrypted requests; empty: nowhere. `https_only`: whether there are hosts that are served encrypted alone;
    `extensions`: whether there are routes by extension. Where there are none, no request pays for looking.
    """
    become = f"    user {user}\n    group {user}\n" if user else ""
    tls = https.settings(folder) if https_bind else ""
    listen = https.listen(folder, https_bind) if https_bind else ""
    answers = https.answers(folder) if https_bind else ""
    redirects = https.redirects(folder) if https_bind and https_only else ""
    return f"""\
{WRITTEN}
global
    log abns@{folder.hints} format raw local0 notice
    stats socket '{folder.runtime}' mode 600 level admin
    server-state-file '{folder.states}'
    hard-stop-after {LONGEST_LIFE}
    mworker-max-reloads {MOST_LIVES}
    setenv BERTH_EDGE_ADDRESS {bind.rpartition(":")[0]}
    fd-hard-limit 100000
{https.ports(bind, https_bind)}{tls}{become}
defaults shared
    load-server-state-from-file global
    option redispatch
    option dontlognull
    retries 3
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h

defaults tcp from shared
    mode tcp
    log-format {accesslog.TCP_FORMAT}

defaults http from shared
    mode http
    log-format {accesslog.HTTP_FORMAT}
    option idle-close-on-response
    retry-on conn-failure empty-response
    timeout http-request 10s
    timeout http-keep-alive {KEEP_ALIVE:.0f}s
    http-error status 502 content-type text/html string '{page("502 Bad Gateway", "The app broke off its answer.")}'
    http-error status 503 content-type text/html string '{page("503 Service Unavailable", "No instance is healthy.")}'
    http-error status 504 content-type text/html string '{page("504 Gateway Timeout", "The app did not answer.")}'

frontend http from http
    {accesslog.LOG}
    bind {bind}
{listen}{_trust(proxies)}{answers}{_find_route(folder, extensions)}\
    http-request return status 404 content-type text/html string '{page("404 Not Found", "No app is served here.")}'\
 unless {{ var(txn.route) -m found }}
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto {"%[ssl_fc,iif(https,http)]" if https_bind else "http"}\
{f" unless {{ var(txn.trusted) -m bool }} {PROTO_SAID}" if proxies else ""}
    http-request set-header X-Forwarded-Host %[req.fhdr(host)]
    http-request del-header Forwarded
    http-request del-header X-Forwarded-Prefix
{redirects}    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
    use_backend %[var(txn.route),field(1,/)]
"""


def _find_route(folder: Folder, extensions: bool) -> str:
    """Which app, and which of its routes, a request is for: what `routes` has of its host and path.

    Hosts as clients write them are looked up as they are; those in capitals, with a port or a dot at the end cost a
    second look. This is a good part of what every request costs.
    """
    find = f"map_beg('{folder.routes}')"
    missing = "unless { var(txn.route) -m found }"
    place = "http-request set-var-fmt(txn.place) %[req.fhdr(host),host_only,rtrim(.)]%[path]/"
    if extensions:
        rules = [
            place,
            "http-request set-var(txn.extension) path,field(-1,/),field(-1,.),lower if { path,field(-1,/) -m sub . }",
            f"http-request set-var(txn.route) var(txn.extension),concat(:,txn.place),{find}",
        ]
    else:
        rules = [f"http-request set-var(txn.route) base,concat(/),{find}", f"{place} {missing}"]
    rules.append(f"http-request set-var(txn.route) var(txn.place),{find} {missing}")
    return "".join(f"    {rule}\n" for rule in rules)


def _trust(proxies: Collection[str]) -> str:
    """Who asks is whom the last trusted proxy has seen; all that comes after goes by that."""
    if not proxies:
        return ""
    return f"""\
{rules.networks("trusted", proxies)}\
    http-request set-var(txn.trusted) bool(true) if trusted
    http-request set-src req.hdr_ip(x-forwarded-for,-1) if {{ var(txn.trusted) -m bool }}
"""


def backend(wanted: Backend, folder: Folder) -> str:
    """An app's whole file; the maps that it refers to are the folder's."""
    slots = "".join(f"    server {server(n)} {_server(held, wanted.sticky)}\n" for n, held in enumerate(wanted.slots))
    return f"{WRITTEN}\n{RECORD}{dump_config(wanted.config)}\n{rules.before(wanted)}{_head(wanted, folder)}{slots}"


def _head(wanted: Backend, folder: Folder) -> str:
    checks = folder.checks
    config, health = wanted.config, wanted.config.health
    lines = [
        f"backend {wanted.name} from {config.protocol.value}",
        "log global",
        "option log-health-checks",
        f"timeout check {_ms(health.timeout)}",
        f"default-server check inter {_ms(health.interval)} fastinter {_ms(min(health.interval, QUICK))}"
        f" downinter {_ms(min(health.interval, QUICK))} rise {health.successes} fall {health.failures}",
    ]
    if config.protocol is Protocol.HTTP and health.path is not None:
        path = f"%[str({wanted.name}/),concat(,check.server),map({checks},/)]"
        lines += [
            "option httpchk",
            "http-check set-var(check.server) srv_name",
            f"http-check send meth GET uri-lf '{path}' ver HTTP/1.1"
            f" hdr Host '{check_host(wanted)}' hdr User-Agent {USER_AGENT}",
            "http-check expect status 200-299",
        ]
    lines += rules.lines(wanted, folder)
    if config.protocol is Protocol.HTTP:
        lines += accesslog.sampling()
    return "\n    ".join(lines) + "\n"


def check_host(wanted: Backend) -> str:
    """The Host that checks name: one that the app is served under, if any."""
    return wanted.config.routes[0].host if wanted.config.routes else wanted.name


def _server(held: Endpoint | None, sticky: bool) -> str:
    if held is None:
        return SPARE
    off = " disabled" if shut(held, sticky) else ""
    share = "" if weight(held) else " weight 0"
    noted = [held.instance]
    noted += [f"r{held.release}"] if held.release else []
    noted += [held.check] if held.check else []
    noted += ["canary"] if held.canary else []
    noted += [("standby" if held.standby else "draining")] if held.draining else []
    return f"{held.address}:{held.port}{off}{share} # {' '.join(noted)}"


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def read_backend(name: str, text: str) -> Backend:
    """The app that a file was written for. Raises `ValueError` when it is none of `backend`'s."""
    group, _, app = name.partition(".")
    lines = text.splitlines()
    if len(lines) < 2 or not lines[1].startswith(RECORD):
        raise ValueError(f"{name}: no record of its config")
    slots: list[Endpoint | None] = []
    for line in (line for line in lines if line.startswith("    server ")):
        slots.append(_held(found) if (found := SERVER.fullmatch(line)) else None)
    return Backend(group, app, load_config(lines[1].removeprefix(RECORD)), tuple(slots))


def _held(line: re.Match[str]) -> Endpoint:
    _, address, port, instance, release, check, canary, leaving = line.groups()
    return Endpoint(
        instance,
        address,
        int(port),
        draining=leaving is not None,
        check=check or "",
        release=int(release or 0),
        canary=canary is not None,
        standby=leaving == "standby",
    )


def canaries(backends: Iterable[Backend]) -> str:
    """The map from an app to its canary's share, and to the servers that it has; see `Backend.canaries`."""
    listed = (item for each in sorted(backends, key=lambda each: each.name) for item in each.canaries().items())
    return "".join(f"{key} {value}\n" for key, value in listed)


def routes(backends: Iterable[Backend]) -> str:
    """The map from host and path prefix to backend; HAProxy takes the longest prefix that matches.

    Each key ends in a slash, and so does what is looked up, so only whole segments match. Of two apps that claim one
    route the first by name has it. Routes by extension have keys of their own, which are looked up first.
    """
    keys: dict[str, str] = {}
    for each in sorted(backends, key=lambda each: each.name):
        for number, route in enumerate(each.config.routes if each.config.protocol is Protocol.HTTP else ()):
            key, value = f"{route.host}{route.path.rstrip('/')}/", rules.route_value(each.name, number, route)
            for extension in route.extensions:
                keys.setdefault(f"{extension}:{key}", value)
            if not route.extensions:
                keys.setdefault(key, value)
    return "".join(f"{key} {name}\n" for key, name in sorted(keys.items()))


def checks(backends: Iterable[Backend]) -> str:
    """The map from server to the path that its health check asks for; instances of two releases may have two.

    Spare slots are in it as well: HAProxy changes entries at runtime that are there.
    """
    return "".join(
        f"{each.name}/{server(number)} {each.check(held)}\n"
        for each in sorted(backends, key=lambda each: each.name)
        for number, held in enumerate(each.slots)
    )


def states(backends: Iterable[Backend], up: Collection[tuple[str, str]]) -> str:
    """HAProxy's server state file: (backend, instance) in `up` start up, all others down until a check has passed.

    Without its line here a server would start up. The status of the last check is 1 (none yet): HAProxy 2.6.12
    crashes on 0, which it never writes itself.
    """
    lines = ["1", f"# {STATE_COLUMNS}"]
    for each in sorted(backends, key=lambda each: each.name):
        health = each.config.health
        for number, held in enumerate(each.slots):
            if held is None or shut(held, each.sticky):
                continue
            is_up = (each.name, held.instance) in up
            operational, result, passed = (2, 3, health.successes + health.failures - 1) if is_up else (0, 0, 0)
            lines.append(
                f"0 {each.name} {number + 1} {server(number)} {held.address} {operational} {8 if held.draining else 0}"
                f" {weight(held)} {weight(held)} 0 1 {result} {passed} 6 0 0 0 - {held.port} - 0 0 - - 0"
            )
    return "\n".join(lines) + "\n"
