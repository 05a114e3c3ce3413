from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck as Health
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.edge import haproxy, render
from scheduler.edge.backend import Backend, assign, commands
from scheduler.edge.folder import Folder, write
from scheduler.edge.state import Wanted, read_app

# signs that mean something to HAProxy, to its maps, its socket or a shell, among those that users may use
SIGNS = st.one_of(st.sampled_from("ab0-._~%/@:+,?&= \n\r\t;#'\"\\${}[]|<>!*\0\x7fé中\u2028"), st.characters())
WORD = st.text(SIGNS, max_size=12)
ANYTHING = st.one_of(st.integers(), st.floats(), st.none(), st.booleans(), WORD)


def mostly(fine: st.SearchStrategy[Any], wild: st.SearchStrategy[Any] = ANYTHING) -> st.SearchStrategy[Any]:
    """Seldom wild: a config is refused for one thing that is wrong in it, and then nothing of it is rendered."""
    return st.integers(0, 15).flatmap(lambda number: wild if number == 15 else fine)


SECONDS = mostly(st.floats(0.001, 86400))
NAMES = mostly(st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), WORD)
PATHS = mostly(st.from_regex(r"/([A-Za-z0-9._~%@:+,-]{1,9}/?){0,3}", fullmatch=True), WORD.map("/{}".format))
CHECKED = mostly(st.from_regex(r"/[A-Za-z0-9._~%@:+,/?&=-]{0,20}", fullmatch=True), WORD.map("/{}".format))
HOSTS = mostly(st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True), WORD)
HEALTH = st.fixed_dictionaries(
    {
        "path": st.one_of(st.none(), CHECKED),
        "command": st.just([]),
        "interval": SECONDS,
        "timeout": SECONDS,
        "failures": mostly(st.integers(1, 1000)),
        "successes": mostly(st.integers(1, 1000)),
        "grace": SECONDS,
    }
)
EXTENSIONS = st.lists(mostly(st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)), max_size=3)
REDIRECT = st.fixed_dictionaries(
    {
        "scheme": mostly(st.sampled_from(["http", "https"])),
        "host": mostly(st.one_of(st.just(""), HOSTS)),
        "path": mostly(st.one_of(st.just(""), PATHS)),
        "permanent": mostly(st.booleans()),
    }
)
ROUTE = st.fixed_dictionaries(
    {"host": HOSTS, "path": PATHS},
    optional={"extensions": EXTENSIONS, "redirect": st.one_of(st.none(), REDIRECT), "rewrite": PATHS},
)
HEADER_NAMES = mostly(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True))
HEADER_VALUES = mostly(st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True))
HEADERS = st.fixed_dictionaries(
    {
        "set": st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=2),
        "remove": st.lists(HEADER_NAMES, max_size=2),
    }
)
HASHES = mostly(st.from_regex(r"\$5\$rounds=1000\$[a-zA-Z0-9./]{16}\$[a-zA-Z0-9./]{43}", fullmatch=True))
HTTP = st.fixed_dictionaries(
    {},
    optional={
        "sticky": mostly(st.booleans()),
        "request": HEADERS,
        "response": HEADERS,
        "rate": mostly(st.integers(0, 1000)),
        "max_body": mostly(st.integers(0, 1 << 40)),
        "allow": st.lists(mostly(st.ip_addresses().map(lambda each: f"{each}/{each.max_prefixlen}")), max_size=40),
        "users": st.lists(st.tuples(mostly(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)), HASHES), max_size=2),
        "maintenance": mostly(st.booleans()),
        "maintenance_text": mostly(st.text(SIGNS, max_size=500)),
        "error_text": mostly(st.text(SIGNS, max_size=500)),
        "timeout": SECONDS,
    },
)
MARKS = st.none() | st.tuples(HEADER_NAMES, mostly(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)))
SPLIT = st.fixed_dictionaries({"weight": mostly(st.integers(0, 100))}, optional={"header": MARKS, "cookie": MARKS})
CONFIG = st.fixed_dictionaries(
    {
        "protocol": st.sampled_from(["http", "tcp"]),
        "port": mostly(st.integers(1, 65535)),
        "health": HEALTH,
        "routes": st.lists(ROUTE, max_size=3),
        "slots": mostly(st.integers(0, 9)),
    },
    optional={
        "http": HTTP,
        "cookie_key": mostly(st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
        "tcp_port": mostly(st.integers(1024, 65535)),
        "canary": st.none() | SPLIT,
    },
)
ENDPOINT = st.fixed_dictionaries(
    {
        "address": mostly(st.ip_addresses(v=4, network="10.0.0.0/8").map(str), WORD),
        "port": mostly(st.integers(1, 65535)),
        "draining": mostly(st.booleans()),
    },
    optional={
        "check": mostly(st.from_regex(r"/[A-Za-z0-9._~%@:+,/?&=-]{0,30}", fullmatch=True), WORD),
        "canary": mostly(st.booleans()),
        "standby": mostly(st.booleans()),
    },
)
APP = st.tuples(NAMES, NAMES, CONFIG, st.dictionaries(NAMES, ENDPOINT, max_size=4))


@pytest.fixture(scope="module")
def folder() -> Iterator[Folder]:
    with tempfile.TemporaryDirectory(prefix="berth-fuzz-") as root:
        folder = Folder(Path(root))
        folder.prepare()
        write(folder.base, render.base(folder, "127.0.0.1:1", haproxy.user()))
        yield folder


def _read(group: str, app: str, config: dict[str, Any], endpoints: dict[str, dict[str, Any]]) -> Wanted:
    texts = {f"endpoints/{name}": json.dumps(endpoint) for name, endpoint in endpoints.items()}
    return read_app((group, app), {"config": json.dumps(config), **texts}, None)


@settings(max_examples=60, deadline=None, suppress_health_check=[Health.function_scoped_fixture, Health.too_slow])
@given(apps=st.lists(APP, min_size=5, max_size=15))
def test_whatever_etcd_says_haproxy_reads_what_was_rendered_from_it(apps: list[Any], folder: Folder) -> None:
    backends: dict[str, Backend] = {}
    for group, app, config, endpoints in apps:
        wanted = _read(group, app, config, endpoints)
        if wanted.config is not None:
            slots = assign((), wanted.endpoints, wanted.config.slots)
            backend = Backend(group, app, wanted.config, slots)
            if wanted.config.tcp_port not in {each.config.tcp_port for each in backends.values()} - {0}:
                backends[backend.name] = backend
    for backend in backends.values():
        text = render.backend(backend, folder)
        write(folder.app_file(backend.name), text)
        assert render.read_backend(backend.name, text) == backend
        told = [said for n, held in enumerate(backend.slots) for said in commands(backend.name, n, None, held)]
        assert all(said.startswith(f"set server {backend.name}/s") for said in told)
        assert not any(sign in said for said in told for sign in ";\n\r\0")
    routes = render.routes(backends.values())
    assert all(len(line.split()) == 2 and line.split()[1].split("/")[0] in backends for line in routes.splitlines())
    write(folder.routes, routes)
    checks = render.checks(backends.values())
    assert all(len(line.split(" ")) == 2 for line in checks.splitlines())
    write(folder.checks, checks)
    canaries = render.canaries(backends.values())
    assert all(len(line.split(" ")) == 2 for line in canaries.splitlines())
    write(folder.canaries, canaries)
    try:
        haproxy.check([folder.conf])
    finally:
        for name in backends:
            folder.app_file(name).unlink()
