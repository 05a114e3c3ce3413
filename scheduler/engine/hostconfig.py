"""How Berth's containers and networks look to Docker: the one place that says what is ever set.

The bodies below are an allowlist. What an app may choose comes in through `ContainerSpec`, field by field; there is
no way in for anything else, so nobody gets a bind mount, the host's network, a device or privileges.
"""

from __future__ import annotations

import ipaddress
import math
from typing import Any

from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec

# What servers commonly need when they start as root and then give up being root: chown of their files, the switch to
# another user, a port below 1024, signals to their children. Docker's other defaults are dropped: NET_RAW would let a
# container forge packets on its group's network, MKNOD, SETFCAP, SETPCAP, SYS_CHROOT and AUDIT_WRITE serve no server.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
PIDS = 1024  # processes and threads: a fork bomb ends at its own door
RESTARTS = 3  # by the engine itself; what keeps crashing beyond that is the loop's to replace
LOG_FILES, LOG_FILE_SIZE = 3, "10m"  # Docker's own default is to fill the disk

NANOSECONDS = 1_000_000_000


def container_body(spec: ContainerSpec) -> dict[str, Any]:
    """The body of `POST /containers/create`."""
    body: dict[str, Any] = {
        "Image": spec.digest,
        "Hostname": _hostname(spec.labels),
        "Env": [f"{name}={value}" for name, value in sorted(spec.env.items())],
        "Labels": spec.labels.as_dict(),
        "StopTimeout": math.ceil(spec.stop_timeout),
        "HostConfig": _host_config(spec),
        "NetworkingConfig": {
            "EndpointsConfig": {
                spec.network: {"IPAMConfig": {"IPv4Address": spec.address}, "Aliases": list(spec.aliases)},
            },
        },
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.stop_signal:
        body["StopSignal"] = spec.stop_signal
    if spec.health_command:
        body["Healthcheck"] = {
            "Test": ["CMD", *spec.health_command],
            "Interval": _nanoseconds(spec.health_interval),
            "Timeout": _nanoseconds(spec.health_timeout),
            "StartPeriod": _nanoseconds(spec.health_grace),
            "Retries": spec.health_failures,
        }
    return body


def network_arguments(spec: NetworkSpec) -> dict[str, Any]:
    """The arguments of docker-py's `create_network`. Bridges do not route to each other: that keeps groups apart."""
    gateway = next(ipaddress.IPv4Network(spec.subnet).hosts())
    return {
        "name": spec.name,
        "driver": "bridge",
        "check_duplicate": True,
        "ipam": {"Driver": "default", "Config": [{"Subnet": spec.subnet, "Gateway": str(gateway)}]},
        "labels": spec.labels.as_dict(),
    }


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "NetworkMode": spec.network,
        "NanoCpus": spec.resources.cpu * (NANOSECONDS // 1000),
        "Memory": spec.resources.memory,
        "MemorySwap": spec.resources.memory,  # as much as memory: no swap
        "PidsLimit": PIDS,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges:true"],
        # An init of Docker's as process 1 reaps orphans and hands signals on: without it a server that installs no
        # handler ignores the stop signal, and each stop lasts until the kill.
        "Init": True,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": RESTARTS},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_FILE_SIZE, "max-file": str(LOG_FILES)}},
        "Mounts": [_mount(spec.labels, *mount) for mount in spec.mounts],
    }


def _mount(labels: Labels, volume: str, path: str, read_only: bool) -> dict[str, Any]:
    """A named volume; the engine makes one that is not there, and then it is labelled as the group's.

    Never a bind, and never options of a volume driver: with those, a volume reads the host's files as well.
    """
    owner = Labels(labels.installation, labels.group)
    return {
        "Type": "volume",
        "Source": volume,
        "Target": path,
        "ReadOnly": read_only,
        "VolumeOptions": {"Labels": owner.as_dict()},
    }


def _hostname(labels: Labels) -> str:
    """`<app>-<slot>-<generation>`, at most 63 characters by the grammar of names: what tells log lines apart."""
    return f"{labels.app}-{labels.slot}-{labels.generation}"


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)
