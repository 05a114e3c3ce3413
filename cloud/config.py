"""Berth's settings: read once from the environment, typed, and loud when wrong.

Each setting is an environment variable; one that holds a secret may name a file instead (`NAME_FILE`). What is not
given is embedded: its address is derived from `BERTH_HOME`, and `./berth up` starts the service behind it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from environs import Env, EnvError

env = Env()


class ConfigError(Exception):
    """A setting that is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Config:
    home: Path  # BERTH_HOME: all data of the embedded services, secrets, logs
    bind: str  # BERTH_BIND: address of the panel
    port: int  # BERTH_PORT: the panel and the API
    http_bind: str  # BERTH_HTTP_BIND: address of the edge
    http_port: int  # BERTH_HTTP_PORT: the edge
    allowed_hosts: tuple[str, ...]  # BERTH_HOSTS: names that the panel answers to
    debug: bool  # BERTH_DEBUG
    database_url: str  # DATABASE_URL; empty: SQLite below home
    redis_url: str  # BERTH_REDIS_URL; empty: embedded
    etcd: str  # BERTH_ETCD: host:port; empty: embedded
    etcd_port: int  # BERTH_ETCD_PORT: of the embedded one
    etcd_prefix: str  # BERTH_ETCD_PREFIX
    registry: str  # BERTH_REGISTRY: host:port; empty: embedded
    registry_port: int  # BERTH_REGISTRY_PORT: of the embedded one
    engine: str  # BERTH_ENGINE: URL of this machine's Docker Engine
    subnets: ipaddress.IPv4Network  # BERTH_SUBNETS: the pool that group networks are cut from
    edge: str  # BERTH_EDGE: this edge's name

    @property
    def run(self) -> Path:
        """Sockets and pid files."""
        return self.home / "run"

    @property
    def secrets(self) -> Path:
        """Readable by the owner alone."""
        return self.home / "secrets"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def redis(self) -> str:
        return self.redis_url or f"unix://{self.run / 'redis.sock'}"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'berth.sqlite3'}"

    @property
    def etcd_address(self) -> tuple[str, int]:
        host, _, port = (self.etcd or f"127.0.0.1:{self.etcd_port}").rpartition(":")
        return host, int(port)

    @property
    def registry_address(self) -> str:
        return self.registry or f"127.0.0.1:{self.registry_port}"

    def secret(self, name: str) -> str:
        """The content of `<home>/secrets/<name>`, or empty when it was not made yet."""
        path = self.secrets / name
        return path.read_text().strip() if path.exists() else ""


def read() -> Config:
    """Read every setting from the environment. Raises `ConfigError`."""
    try:
        return Config(
            home=Path(env.str("BERTH_HOME", "") or Path.home() / ".berth").expanduser().absolute(),
            bind=env.str("BERTH_BIND", "127.0.0.1"),
            port=env.int("BERTH_PORT", 8000),
            http_bind=env.str("BERTH_HTTP_BIND", "*"),
            http_port=env.int("BERTH_HTTP_PORT", 8080),
            allowed_hosts=tuple(env.list("BERTH_HOSTS", ["localhost", "127.0.0.1", "[::1]"])),
            debug=env.bool("BERTH_DEBUG", False),
            database_url=env.str("DATABASE_URL", ""),
            redis_url=env.str("BERTH_REDIS_URL", ""),
            etcd=env.str("BERTH_ETCD", ""),
            etcd_port=env.int("BERTH_ETCD_PORT", 2479),
            etcd_prefix=env.str("BERTH_ETCD_PREFIX", "/berth/"),
            registry=env.str("BERTH_REGISTRY", ""),
            registry_port=env.int("BERTH_REGISTRY_PORT", 5050),
            engine=env.str("BERTH_ENGINE", "unix:///var/run/docker.sock"),
            subnets=ipaddress.IPv4Network(env.str("BERTH_SUBNETS", "10.96.0.0/12")),
            edge=env.str("BERTH_EDGE", "edge"),
        )
    except (EnvError, ValueError) as error:
        raise ConfigError(str(error)) from error
