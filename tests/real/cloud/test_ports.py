"""Taken ports, and addresses that are not this machine's or are already, are found before anything starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from cloud import config
from cloud.embedded import free_port
from cloud.supervisor import ports
from tests.services import listens, wait_until


def read(home: Path, **more: str) -> config.Config:
    names = (
        "BERTH_PORT",
        "BERTH_HTTP_PORT",
        "BERTH_HTTPS_PORT",
        "BERTH_ETCD_PORT",
        "BERTH_ETCD_PEER_PORT",
        "BERTH_REGISTRY_PORT",
    )
    return config.read({"BERTH_HOME": str(home), **{name: str(free_port()) for name in names}, **more})


def test_free_ports_are_fine(tmp_path: Path) -> None:
    ports.check(read(tmp_path))


def test_a_taken_port_names_its_setting_and_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            config.ConfigError, match=rf"^BERTH_PORT: port {port} is taken by \S+ \(pid {os.getpid()}\)"
        ):
            ports.check(read(tmp_path, BERTH_PORT=str(port)))


def test_one_port_for_two_things_is_refused(tmp_path: Path) -> None:
    port = str(free_port())
    with pytest.raises(config.ConfigError, match=f"^BERTH_HTTP_PORT: {port} is BERTH_PORT already"):
        ports.check(read(tmp_path, BERTH_PORT=port, BERTH_HTTP_PORT=port))


def test_ports_of_services_that_are_given_are_not_looked_at(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        ports.check(read(tmp_path, BERTH_REGISTRY="images.example:5000", BERTH_REGISTRY_PORT=port))


def test_the_edges_port_may_be_held_by_the_haproxy_that_served_on(tmp_path: Path) -> None:
    port = free_port()
    code = f"import socket, time; s = socket.create_server(('', {port})); time.sleep(1000)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "edge" / "haproxy.cfg")])
    try:
        wait_until(lambda: listens(("127.0.0.1", port)), "the port is held")
        ports.check(read(tmp_path, BERTH_HTTP_PORT=str(port)))
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("name", ["BERTH_BIND", "BERTH_HTTP_BIND"])
def test_an_address_of_another_machine_is_not_called_a_taken_port(tmp_path: Path, name: str) -> None:
    with pytest.raises(config.ConfigError, match=f"^{name}: 192.0.2.200 is no address of this machine"):
        ports.check(read(tmp_path, **{name: "192.0.2.200"}))


def test_a_pool_with_an_address_of_this_machine_is_refused(tmp_path: Path) -> None:
    loopback = replace(read(tmp_path), subnets=IPv4Network("127.0.0.0/8"))
    with pytest.raises(config.ConfigError, match=r"^BERTH_SUBNETS: .* own address 127.0.0.1 \(lo\).*10.200.0.0/16"):
        ports.check_pool(loopback)
    ports.check_pool(read(tmp_path, BERTH_SUBNETS="198.18.0.0/15"))  # of nobody


def test_the_bridges_that_engines_make_may_have_addresses_of_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = IPv4Address("10.96.0.1")
    monkeypatch.setattr(ports, "_addresses", lambda: [("br-0123456789ab", inside), ("docker0", inside)])
    ports.check_pool(read(tmp_path))
    monkeypatch.setattr(ports, "_addresses", lambda: [("br-lan", inside)])
    with pytest.raises(config.ConfigError, match="br-lan"):
        ports.check_pool(read(tmp_path))
