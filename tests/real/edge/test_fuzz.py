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
NAMES = st.one_of(st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), WORD)
PATHS = st.one_of(st.from_regex(r"/[A-Za-z0-9._~%@:+,/?&=-]{0,20}", fullmatch=True), WORD.map(lambda word: f"/{word}"))
HOSTS = st.one_of(st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True), WORD)
FIGURES = st.one_of(st.integers(1, 70000), st.floats(), st.none(), WORD)
SECONDS = st.one_of(st.floats(0.0001, 100000), FIGURES)
CONFIG = st.fixed_dictionaries(
    {
        "protocol": st.sampled_from(["http", "tcp"]),
        "port": st.one_of(st.integers(1, 65535), FIGURES),
        "health": st.fixed_dictionaries(
            {
                "path": st.one_of(st.none(), PATHS),
                "command": st.just([]),
                "interval": st.one_of(st.floats(0.01, 1000), SECONDS),
                "timeout": st.one_of(st.floats(0.01, 1000), SECONDS),
                "failures": st.one_of(st.integers(1, 1000), FIGURES),
                "successes": st.one_of(st.integers(1, 1000), FIGURES),
                "grace": SECONDS,
            }
        ),
        "routes": st.lists(st.fixed_dictionaries({"host": HOSTS, "path": PATHS}), max_size=3),
        "slots": st.one_of(st.integers(0, 9), FIGURES),
    }
)
ENDPOINT = st.fixed_dictionaries(
    {
        "address": st.one_of(st.ip_addresses(v=4).map(str), WORD),
        "port": st.one_of(st.integers(1, 65535), FIGURES),
        "draining": st.one_of(st.booleans(), FIGURES),
    }
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
            backends[backend.name] = backend
    for backend in backends.values():
        text = render.backend(backend)
        write(folder.app_file(backend.name), text)
        assert render.read_backend(backend.name, text) == backend
        told = [said for n, held in enumerate(backend.slots) for said in commands(backend.name, n, None, held)]
        assert all(said.startswith(f"set server {backend.name}/s") for said in told)
        assert not any(sign in said for said in told for sign in ";\n\r\0")
    routes = render.routes(backends.values())
    assert all(len(line.split()) == 2 and line.split()[1] in backends for line in routes.splitlines())
    write(folder.routes, routes)
    try:
        haproxy.check([folder.conf])
    finally:
        for name in backends:
            folder.app_file(name).unlink()
