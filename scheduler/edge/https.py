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


def redirects(folder: Folder, http: str, https: str) -> str:
    """For the frontend, once it is known by which scheme the client has come.

    A client that named a port talks to ours, and is sent to our other one. One that named none came by port 80, be it
    ours or that of whatever stands before us, and finds HTTPS at its usual port as well unless only ours is moved.
    """
    ours, usual = _suffix(https), _suffix(https) if http.endswith(":80") else ""
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
    """For the section `global`: by which port a redirect of a route reaches each scheme here, for `rules.redirect`.

    Two of each: for a client that named a port, and for one that came by the usual one. An edge that takes no encrypted
    requests knows nothing of the port that somebody else takes them at.
    """
    ports = {
        "HTTP_OURS": "" if http.endswith(":80") else f":{http.rpartition(':')[2]}",
        "HTTP_USUAL": "" if http.endswith(":80") or not https.endswith(":443") else f":{http.rpartition(':')[2]}",
        "HTTPS_OURS": _suffix(https) if https else "",
        "HTTPS_USUAL": _suffix(https) if https and http.endswith(":80") else "",
    }
    said = (f"setenv {PORT}{name} {port}" if port else f"unsetenv {PORT}{name}" for name, port in ports.items())
    return "".join(f"    {line}\n" for line in said)


def _suffix(bind: str) -> str:
    port = bind.rpartition(":")[2]
    return "" if port == "443" else f":{port}"


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
