"""The edge agent: `python -m scheduler.edge`. HAProxy, which it starts or finds, serves on when it ends."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import sys
from pathlib import Path

import structlog

from cloud import logs
from scheduler import tls
from scheduler.edge import noop
from scheduler.edge.agent import Agent
from scheduler.edge.folder import Folder, FolderError
from scheduler.edge.grammar import NAME
from scheduler.edge.sockets import HaproxyError
from scheduler.etcd import Etcd, EtcdError

REDIS = "BERTH_REDIS_URL"  # where figures of the traffic go; it may hold a password, so it is no argument

log = structlog.get_logger(__name__)


def main() -> int:
    """Returns the exit code: 0 told to end, 1 cannot go on, 2 wrong arguments."""
    given = _arguments()
    logs.configure(os.environ.get("BERTH_LOG_LEVEL", "INFO"))
    folder = Folder(given.folder.absolute())
    try:
        sealer = tls.Sealer(tls.keys_from())
    except (OSError, ValueError) as error:
        log.error("edge_failed", error=f"{tls.KEYS}: {error}")
        return 1
    host, port = given.etcd
    etcd = Etcd(host, port, given.prefix)
    try:
        if given.noop:
            sys.stdout.writelines(f"{line}\n" for line in noop.lines(folder, etcd))
            return 0
        folder.prepare()
        with folder.lock():
            redis = os.environ.get(REDIS, "")
            agent = Agent(
                folder, etcd, given.name, given.http_bind, given.https_bind, sealer, given.trusted_proxies, redis
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, agent.stop)
            if given.once:
                agent.once()
                return 0
            return agent.run()
    except (FolderError, HaproxyError, EtcdError) as error:
        log.error("edge_failed", error=str(error))
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scheduler.edge", description=__doc__)
    parser.add_argument("--etcd", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--prefix", default="/berth/", help="of all keys in etcd")
    parser.add_argument("--name", type=_name, required=True, help="of this edge, unlike any other's")
    parser.add_argument("--http-bind", required=True, metavar="ADDRESS:PORT", help="where HAProxy takes requests")
    parser.add_argument("--https-bind", default="", metavar="ADDRESS:PORT", help="and where it takes encrypted ones")
    parser.add_argument(
        "--trusted-proxies", type=_networks, default=(), metavar="NETWORK,…", help="in front of this edge"
    )
    parser.add_argument("--folder", type=Path, required=True, help="for HAProxy's files and sockets")
    parser.add_argument("--once", action="store_true", help="serve what etcd says now, and end; HAProxy serves on")
    parser.add_argument("--noop", action="store_true", help="with --once: say what would be done and do nothing")
    given = parser.parse_args()
    if given.noop and not given.once:
        parser.error("--noop goes with --once")
    return given


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in text.split(",") if part)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: lower-case letters, digits and dashes")
    return text


if __name__ == "__main__":
    sys.exit(main())
