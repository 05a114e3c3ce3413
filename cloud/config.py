"""Berth's settings: read once from the environment, typed, and loud when wrong.

Each setting is an environment variable; one that holds a secret may name a file instead (`NAME_FILE`). What is not
given is embedded: its address is derived from `BERTH_HOME`, and `./berth up` starts the service behind it.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult

from cloud.environment import ConfigError, Reader, read_kept

__all__ = ["Config", "ConfigError", "read"]

LOG_LEVEL = ("DEBUG|INFO|WARNING|ERROR", "DEBUG, INFO, WARNING or ERROR")
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
UNIX_PATH_LIMIT = 107  # bytes that the kernel takes as the path of a unix socket
LEAST_SECRET = 32  # characters of the key that sessions are signed with
DATABASE, REDIS = "postgres://berth:PASSWORD@db.example.com/berth", "redis://cache.example.com:6379/0"
ENGINE = (
    r"unix:///.+|tcp://[^\s:/]+:[0-9]{1,5}/?|embedded",
    "unix:///var/run/docker.sock, tcp://HOST:PORT or embedded",
)


@dataclass(frozen=True, slots=True)
class Config:
    home: Path  # BERTH_HOME: all data of the embedded services, secrets, logs
    bind: str  # BERTH_BIND: address of the panel
    port: int  # BERTH_PORT: the panel and the API
    http_bind: str  # BERTH_HTTP_BIND: address of the edge
    http_port: int  # BERTH_HTTP_PORT: the edge
    https_port: int  # BERTH_HTTPS_PORT: the edge, encrypted; 0: not at all
    tcp_ports: range  # BERTH_TCP_PORTS: of the edges, for apps that are served over TCP
    trusted_proxies: tuple[str, ...]  # BERTH_TRUSTED_PROXIES: networks whose X-Forwarded-… edge and panel take
    panel_https: bool  # BERTH_PANEL_HTTPS: the panel is reached through a proxy that speaks TLS, and not otherwise
    metrics_from: tuple[str, ...]  # BERTH_METRICS_FROM: networks that read /metrics without a token
    allowed_hosts: tuple[str, ...]  # BERTH_HOSTS: names that the panel answers to
    debug: bool  # BERTH_DEBUG
    log_level: str  # BERTH_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR
    database_url: str  # DATABASE_URL; empty: SQLite below home
    redis_url: str  # BERTH_REDIS_URL; empty: embedded
    etcd: str  # BERTH_ETCD: host:port; empty: embedded
    etcd_port: int  # BERTH_ETCD_PORT: of the embedded one
    etcd_peer_port: int  # BERTH_ETCD_PEER_PORT: of the embedded one, towards members that it does not have
    etcd_prefix: str  # BERTH_ETCD_PREFIX
    registry: str  # BERTH_REGISTRY: host:port; empty: embedded
    registry_port: int  # BERTH_REGISTRY_PORT: of the embedded one
    engine: str  # BERTH_ENGINE: URL of this machine's Docker Engine, or `embedded`; empty: whichever there is
    subnets: ipaddress.IPv4Network  # BERTH_SUBNETS: the pool that group networks are cut from
    edge: str  # BERTH_EDGE: this edge's name
    secret_key: str  # BERTH_SECRET_KEY; made at the first start
    env_keys: tuple[str, ...]  # BERTH_ENV_KEYS: what environment values are encrypted with, newest first
    edge_keys: tuple[str, ...]  # BERTH_EDGE_KEYS: what certificates are sealed with for the edges, newest first
    keep_events: int  # BERTH_KEEP_EVENTS: days
    keep_operations: int  # BERTH_KEEP_OPERATIONS: days after their end; the newest of each app are kept
    keep_releases: int  # BERTH_KEEP_RELEASES: of each app; those in use are kept besides
    acme_directory: str  # BERTH_ACME_DIRECTORY: URL of the certificate authority
    acme_email: str  # BERTH_ACME_EMAIL: whom it writes to; empty: nobody
    acme_ca: str  # BERTH_ACME_CA: file with what its own certificate is checked against; empty: the usual
    installation: str  # BERTH_INSTALLATION: what Berth's things on an engine are labelled with

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
        return self.redis_url or f"unix://{self.redis_socket}"

    @property
    def redis_socket(self) -> Path:
        """Of the embedded Redis."""
        return self.run / "redis.sock"

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

    @property
    def host(self) -> str:
        """A name that the panel answers to."""
        first = self.allowed_hosts[0]
        return "localhost" if first == "*" else first.removeprefix(".")

    @property
    def panel_url(self) -> str:
        """The panel as a browser on this machine finds it."""
        anywhere = self.bind in ("", "*", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
        return f"http://{'localhost' if anywhere else self.bind}:{self.port}/"


def read(environment: Mapping[str, str] = os.environ) -> Config:
    """Read every setting from the environment. Raises `ConfigError`.

    The secrets that Berth makes itself are empty before the first start; what needs them says so.
    """
    value = Reader(environment)
    home = value.folder("BERTH_HOME", Path.home() / ".berth")
    secrets = home / "secrets"
    etcd_port = value.port("BERTH_ETCD_PORT", 2479)
    config = Config(
        home=home,
        bind=value.bind("BERTH_BIND", "127.0.0.1", "localhost"),
        port=value.port("BERTH_PORT", 8000),
        http_bind=value.bind("BERTH_HTTP_BIND", "*", "*"),
        http_port=value.port("BERTH_HTTP_PORT", 8080),
        https_port=value.port_or_none("BERTH_HTTPS_PORT", 8443),
        tcp_ports=value.port_range("BERTH_TCP_PORTS", "20000-20099"),
        trusted_proxies=value.networks("BERTH_TRUSTED_PROXIES"),
        panel_https=value.switch("BERTH_PANEL_HTTPS"),
        metrics_from=value.networks("BERTH_METRICS_FROM", "127.0.0.0/8", "::1/128"),
        allowed_hosts=value.hosts("BERTH_HOSTS", "localhost", "127.0.0.1", "[::1]"),
        debug=value.switch("BERTH_DEBUG"),
        log_level=value.text("BERTH_LOG_LEVEL", "INFO", *LOG_LEVEL),
        database_url=value.url("DATABASE_URL", DATABASE, "postgres", "postgresql", "sqlite", lacks=_database_lacks),
        redis_url=value.url("BERTH_REDIS_URL", REDIS, "redis", "rediss", "unix", lacks=_redis_lacks),
        etcd=value.host_and_port("BERTH_ETCD", "etcd.example.com:2379"),
        etcd_port=etcd_port,
        etcd_peer_port=value.port("BERTH_ETCD_PEER_PORT", etcd_port + 1),
        etcd_prefix=value.text("BERTH_ETCD_PREFIX", "/berth/", r"/([a-z0-9-]+/)*", "a path like /berth/"),
        registry=value.host_and_port("BERTH_REGISTRY", "images.example.com:5000"),
        registry_port=value.port("BERTH_REGISTRY_PORT", 5050),
        engine=value.text("BERTH_ENGINE", "", *ENGINE),
        subnets=value.pool("BERTH_SUBNETS", "10.96.0.0/12"),
        edge=value.text("BERTH_EDGE", "edge", r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", "lower-case letters and digits"),
        secret_key=_secret_key(value, secrets),
        env_keys=value.fernet_keys("BERTH_ENV_KEYS", secrets / "env-keys"),
        edge_keys=value.fernet_keys("BERTH_EDGE_KEYS", secrets / "edge-keys"),
        keep_events=value.whole("BERTH_KEEP_EVENTS", 90, 1, 36500),
        keep_operations=value.whole("BERTH_KEEP_OPERATIONS", 90, 1, 36500),
        keep_releases=value.whole("BERTH_KEEP_RELEASES", 50, 1, 100_000),
        acme_directory=value.url("BERTH_ACME_DIRECTORY", LETS_ENCRYPT, "https", lacks=_host_lacks) or LETS_ENCRYPT,
        acme_email=value.text("BERTH_ACME_EMAIL", "", r"[^\s,@]+@[^\s,@]+", "an address like ops@example.com"),
        acme_ca=value.file("BERTH_ACME_CA"),
        installation=value.text(
            "BERTH_INSTALLATION",
            read_kept("BERTH_INSTALLATION", secrets / "installation"),
            "[0-9a-f]{6}",
            "six hex digits like 0a1b2c",
        ),
    )
    value.refuse_unknown()
    if len(os.fsencode(config.redis_socket)) > UNIX_PATH_LIMIT and not config.redis_url:
        raise ConfigError(f"BERTH_HOME: too long a path for the unix socket {config.redis_socket}")
    return config


def _secret_key(value: Reader, secrets: Path) -> str:
    key = value.made("BERTH_SECRET_KEY", secrets / "secret-key")
    if key and len(key) < LEAST_SECRET:
        how = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        raise ConfigError(f"BERTH_SECRET_KEY: it has {len(key)} of at least {LEAST_SECRET} characters; make one: {how}")
    return key


def _host_lacks(parts: SplitResult) -> str:
    return "" if parts.hostname else "it names no host"


def _database_lacks(parts: SplitResult) -> str:
    if parts.scheme == "sqlite":
        # after the slash that ends the empty host comes the path with its own
        absolute = not parts.netloc and parts.path.startswith("//") and not parts.path.endswith("/")
        return "" if absolute else "SQLite needs the absolute path of a file: sqlite:////var/lib/berth/berth.sqlite3"
    named = parts.path.strip("/") or "service=" in parts.query
    return "" if named else "it names no database"


def _redis_lacks(parts: SplitResult) -> str:
    if parts.scheme == "unix":
        absolute = not parts.netloc and len(parts.path) > 1
        return "" if absolute else "it names no socket by its absolute path: unix:///run/redis/redis.sock"
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        return "the number of its database is none"
    return _host_lacks(parts)


if __name__ == "__main__":  # `./berth up` asks before it installs anything
    try:
        read()
    except ConfigError as error:
        raise SystemExit(f"berth: {error}") from None
