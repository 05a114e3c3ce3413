"""HTTPS in HAProxy's configuration: where it listens, what it serves there, whom it sends there. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.edge.folder import Folder
from scheduler.tls import Certificate

WELL_KNOWN = "/.well-known/acme-challenge/"
PORT = "BERTH_PORT_"  # of environment variables that name ports, with their colon


def settings(folder: Folder) -> str:
    """For the section `global`."""
    return f"    crt-base '{folder.certificates}'\n    ssl-default-bind-options ssl-min-ver TLSv1.2\n"


def listen(folder: Folder, bind: str) -> str:
    """For the frontend. The first certificate is for names that none is there for."""
    return f"    bind {bind} ssl crt '{folder.default}' crt-list '{folder.crt_list}' alpn h2,http/1.1\n"


def answers(folder: Folder) -> str:
    """For the frontend, before anything else is decided: ACME's challenges."""
    return f"""\
    http-request set-var(txn.acme) path,map_str('{folder.challenges}') if {{ path_beg {WELL_KNOWN} }}
    http-request return status 200 content-type text/plain lf-string %[var(txn.acme)] if {{ var(txn.acme) -m found }}
"""


def redirects(folder: Folder) -> str:
    """For the frontend, once it is known by which scheme the client has come: to HTTPS, at its port (`ports`)."""
    ours, usual = (f"%[env({PORT}HTTPS_{name})]" for name in ("OURS", "USUAL"))
    clear = "{ var(txn.clear) -m bool }"
    host = "req.fhdr(host),host_only,rtrim(.),lower"
    to = f"http-request redirect code 308 location https://%[{host}]"
    return f"""\
    http-request set-var(txn.clear) bool(true) if {{ {host},map_str('{folder.https_only}') -m found }}\
 {{ req.hdr(X-Forwarded-Proto) -m str http }}
    {to}{ours}%[pathq] if {clear} {{ req.fhdr(host),port_only gt 0 }}
    {to}{usual}%[pathq] if {clear}
"""


def ports(http: str, https: str) -> str:
    """For the section `global`: the ports that redirects lead to, by scheme. Empty is the scheme's usual one.

    A client that named a port talks to ours, and is sent to `OURS`. One that named none came by a usual port, be it
    ours or that of whatever stands before us, and finds the other scheme at its usual port as well unless only ours of
    that scheme is moved: `USUAL`. An edge that takes no encrypted requests does not know where somebody else does.
    """
    http_ours, https_ours = _suffix(http, "80"), _suffix(https, "443")
    ports = {
        "HTTP_OURS": http_ours,
        "HTTP_USUAL": http_ours if https and not https_ours else "",
        "HTTPS_OURS": https_ours,
        "HTTPS_USUAL": https_ours if not http_ours else "",
    }
    said = (f"setenv {PORT}{name} {port}" if port else f"unsetenv {PORT}{name}" for name, port in ports.items())
    return "".join(f"    {line}\n" for line in said)


def _suffix(bind: str, usual: str) -> str:
    port = bind.rpartition(":")[2]
    return "" if port in ("", usual) else f":{port}"


def crt_list(certificates: Mapping[str, Certificate]) -> str:
    """Which certificate is for which hosts, a line each."""
    return "".join(f"{name}.pem {' '.join(each.hosts)}\n" for name, each in sorted(certificates.items()))


def https_only(certificates: Mapping[str, Certificate]) -> str:
    """The map of hosts that are served encrypted alone."""
    hosts = {host for each in certificates.values() if each.https_only for host in each.hosts}
    return "".join(f"{host} 1\n" for host in sorted(hosts))


def challenges(answers: Mapping[str, str]) -> str:
    """The map from a challenge's path to its answer."""
    return "".join(f"{WELL_KNOWN}{token} {said}\n" for token, said in sorted(answers.items()))


def check(folder: Folder, staged: str) -> str:
    """A configuration of its own that does nothing but read staged certificates."""
    return f"""\
global
    crt-base '{folder.staged}'
frontend check
    mode http
    timeout client 1s
    bind 127.0.0.1:1 ssl crt '{folder.default}' crt-list '{staged}'
"""
