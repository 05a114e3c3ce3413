"""A group's network on a real engine. Raises what docker-py raises, and `NameTaken`."""

from __future__ import annotations

import time
from ipaddress import IPv4Network

import docker

from scheduler.engine.base import Labels, NameTaken, NetworkSpec
from scheduler.engine.hostconfig import network_arguments

SETTLE, LOOK_AGAIN = 5.0, 0.02  # seconds that another may take to make the same network, and between looks


def ensure(api: docker.APIClient, network: NetworkSpec) -> None:
    """Make it unless it stands."""
    give_up = time.monotonic() + SETTLE
    while not _stands(api, network):
        try:
            api.create_network(**network_arguments(network))
        except docker.errors.APIError:
            # Of two that make it at once, one hears that its name or its subnet is taken: by the other's, which
            # is not to be seen yet.
            if _overlaps(api, network) or time.monotonic() > give_up:
                raise
            time.sleep(LOOK_AGAIN)


def _stands(api: docker.APIClient, network: NetworkSpec) -> bool:
    try:
        shown = api.inspect_network(network.name)
    except docker.errors.NotFound:
        return False
    if Labels.from_dict(shown["Labels"] or {}) != network.labels:
        raise NameTaken(f"the network {network.name} belongs to something else")
    if [pool["Subnet"] for pool in shown["IPAM"]["Config"]] == [network.subnet]:
        return True
    # Left over from a group that was deleted while this engine was away, and then made again.
    api.remove_network(network.name)
    return False


def _overlaps(api: docker.APIClient, network: NetworkSpec) -> bool:
    """Whether a network of another name is in the way."""
    wanted = IPv4Network(network.subnet)
    others = (other for other in api.networks() if other["Name"] != network.name)
    pools = (pool["Subnet"] for other in others for pool in other["IPAM"]["Config"] or ())
    return any(wanted.overlaps(IPv4Network(subnet)) for subnet in pools if ":" not in subnet)


def remove(api: docker.APIClient, name: str, installation: str) -> None:
    """Remove it if it is there and this installation's."""
    try:
        labels = Labels.from_dict(api.inspect_network(name)["Labels"] or {})
        if labels is None or labels.installation != installation:
            raise NameTaken(f"the network {name} belongs to something else")
        api.remove_network(name)
    except docker.errors.NotFound:
        return


def attach_again(api: docker.APIClient, container: str) -> bool:
    """Attach a container that does not run to the network that has its network's name now.

    Docker remembers the id of the network that a container first started on. When that network was removed and made
    anew, the container cannot start until it is told. False: there is no network of that name.
    """
    shown = api.inspect_container(container)
    name = shown["HostConfig"]["NetworkMode"]
    endpoint = shown["NetworkSettings"]["Networks"][name]
    try:
        api.connect_container_to_network(
            container, name, ipv4_address=endpoint["IPAMConfig"]["IPv4Address"], aliases=endpoint["Aliases"]
        )
    except docker.errors.NotFound:
        return False
    return True
