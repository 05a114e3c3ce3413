from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec
from scheduler.engine.hostconfig import container_body, network_arguments
from scheduler.model import Resources

LABELS = Labels("f00d", "team", "web", app_id=7, slot=2, generation=9, release=4, template="0123abcd")
PLAIN = ContainerSpec(
    labels=LABELS,
    digest="registry/web@sha256:abc",
    command=(),
    env={},
    network="berth-f00d.team",
    address="10.96.0.9",
    aliases=("web",),
    resources=Resources(cpu=250, memory=64 << 20, instances=1),
)
PLAIN_BODY: dict[str, Any] = {
    "Image": "registry/web@sha256:abc",
    "Hostname": "web-2-9",
    "Env": [],
    "Labels": LABELS.as_dict(),
    "StopTimeout": 10,
    "HostConfig": {
        "NetworkMode": "berth-f00d.team",
        "NanoCpus": 250_000_000,
        "Memory": 67108864,
        "MemorySwap": 67108864,
        "PidsLimit": 1024,
        "CapDrop": ["ALL"],
        "CapAdd": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"],
        "SecurityOpt": ["no-new-privileges:true"],
        "Init": True,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "Mounts": [],
    },
    "NetworkingConfig": {
        "EndpointsConfig": {"berth-f00d.team": {"IPAMConfig": {"IPv4Address": "10.96.0.9"}, "Aliases": ["web"]}},
    },
}


def test_a_plain_container_is_confined() -> None:
    assert container_body(PLAIN) == PLAIN_BODY


def test_command_environment_and_health_command_are_kept_literally() -> None:
    spec = replace(
        PLAIN,
        command=("sh", "-c", "echo $(id); exit"),
        env={"B": "$(id) `id`", "A": "x=y\n"},
        health_command=("wget", "-q", "http://127.0.0.1/"),
        health_interval=0.5,
        stop_signal="SIGQUIT",
        stop_timeout=2.5,
    )
    assert container_body(spec) == {
        **PLAIN_BODY,
        "Cmd": ["sh", "-c", "echo $(id); exit"],
        "Env": ["A=x=y\n", "B=$(id) `id`"],
        "StopSignal": "SIGQUIT",
        "StopTimeout": 3,
        "Healthcheck": {
            "Test": ["CMD", "wget", "-q", "http://127.0.0.1/"],
            "Interval": 500_000_000,
            "Timeout": 1_000_000_000,
            "StartPeriod": 30_000_000_000,
            "Retries": 3,
        },
    }


def test_a_mount_is_a_named_volume_of_the_group() -> None:
    spec = replace(PLAIN, mounts=(("berth-f00d.team.data", "/data", True),))
    assert container_body(spec)["HostConfig"]["Mounts"] == [
        {
            "Type": "volume",
            "Source": "berth-f00d.team.data",
            "Target": "/data",
            "ReadOnly": True,
            "VolumeOptions": {"Labels": Labels("f00d", "team").as_dict()},
        }
    ]


def test_a_network_is_a_bridge_with_its_first_address_as_gateway() -> None:
    labels = Labels("f00d", "team")
    assert network_arguments(NetworkSpec(labels, "berth-f00d.team", "10.96.0.0/24")) == {
        "name": "berth-f00d.team",
        "driver": "bridge",
        "check_duplicate": True,
        "ipam": {"Driver": "default", "Config": [{"Subnet": "10.96.0.0/24", "Gateway": "10.96.0.1"}]},
        "labels": labels.as_dict(),
    }


text = st.text(max_size=20)
durations = st.floats(0.001, 3600)
specs = st.builds(
    ContainerSpec,
    labels=st.builds(Labels, text, text, text, *[st.integers(0, 10**6)] * 4, text),
    digest=text,
    command=st.lists(text, max_size=3).map(tuple),
    env=st.dictionaries(text, text, max_size=3),
    network=text,
    address=text,
    aliases=st.lists(text, max_size=3).map(tuple),
    resources=st.builds(Resources, *[st.integers(0, 1 << 40)] * 4),
    mounts=st.lists(st.tuples(text, text, st.booleans()), max_size=3).map(tuple),
    health_command=st.lists(text, max_size=3).map(tuple),
    health_interval=durations,
    health_timeout=durations,
    health_failures=st.integers(1, 100),
    health_grace=durations,
    stop_signal=text,
    stop_timeout=durations,
)


@given(specs)
def test_whatever_an_app_asks_for_nothing_beyond_the_allowlist_is_set(spec: ContainerSpec) -> None:
    body = container_body(spec)
    host = body["HostConfig"]
    assert body.keys() <= PLAIN_BODY.keys() | {"Cmd", "Healthcheck", "StopSignal"}
    assert host.keys() == PLAIN_BODY["HostConfig"].keys()
    chosen = {"NetworkMode", "NanoCpus", "Memory", "MemorySwap", "Mounts"}
    for fixed in host.keys() - chosen:
        assert host[fixed] == PLAIN_BODY["HostConfig"][fixed]
    assert host["MemorySwap"] == host["Memory"] == spec.resources.memory
    assert body["NetworkingConfig"]["EndpointsConfig"].keys() == {spec.network} == {host["NetworkMode"]}
    for endpoint in body["NetworkingConfig"]["EndpointsConfig"].values():
        assert endpoint.keys() == {"IPAMConfig", "Aliases"}
    for mount in host["Mounts"]:
        assert mount.keys() == {"Type", "Source", "Target", "ReadOnly", "VolumeOptions"}
        assert mount["Type"] == "volume"
        assert mount["VolumeOptions"].keys() == {"Labels"}


def test_the_environment_is_not_printed_with_the_container() -> None:
    assert "hunter2" not in repr(replace(PLAIN, env={"PASSWORD": "hunter2"}))
