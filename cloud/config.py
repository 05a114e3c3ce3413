"""Berth's settings: read once from the environment, typed, and loud when wrong.

Each setting is an environment variable; one that holds a secret may name a file instead (`NAME_FILE`). What is not
given is embedded: its address is derived from `BERTH_HOME`, and `./berth up` starts the service behind it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LOG_LEVEL = ("DEBUG|INFO|WARNING|ERROR", "DEBUG, INFO, WARNING or ERROR")
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
UNIX_PATH_LIMIT = 107  # bytes that the kernel takes as the path of a unix socket


class ConfigError(Exception):
    """A setting that is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Config:
    home: Path  # BERTH_HOME: all data of the embedded services, secrets, logs
    bind: str  # BERTH_BIND: address of the panel
    port: int  # BERTH_PORT: the panel and the API
    http_bind: str  # BERTH_HTTP_BIND: address of the edge
    http_port: int  # BERTH_HTTP_PORT: the edge
    https_port: int  # BERTH_HTTPS_PORT: the edge, encrypted; 0: not at all
    tcp_ports: range  # BERTH_TCP_PORTS: of the edges, for apps that are served over TCP
    trusted_proxies: tuple[str, ...]  # BERTH_TRUSTED_PROXIES: networks whose X-Forwarded-… the edge takes
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
    def panel_url(self) -> str:
        """The panel as a browser on this machine finds it."""
        anywhere = self.bind in ("", "*", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
        return f"http://{'localhost' if anywhere else self.bind}:{self.port}/"


class _Reader:
    """Reads typed values from the environment and names the variable that is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def text(self, name: str, default: str = "", pattern: str = "", expected: str = "") -> str:
        value = self.environment.get(name) or default
        if value and pattern and not re.fullmatch(pattern, value):
            raise ConfigError(f"{name}: expected {expected}, got {value!r}")
        return value

    def secret(self, name: str) -> str:
        """`NAME`, or the content of the file that `NAME_FILE` names. A wrong value is not repeated to the reader."""
        path = self.environment.get(f"{name}_FILE")
        if not path:
            return self.environment.get(name, "")
        if self.environment.get(name):
            raise ConfigError(f"{name}: give it or {name}_FILE, not both")
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ConfigError(f"{name}_FILE: {error}") from error

    def url(self, name: str, *schemes: str) -> str:
        value = self.secret(name)
        if value and value.partition(":")[0] not in schemes:
            raise ConfigError(f"{name}: expected a URL with one of {', '.join(schemes)}")
        return value

    def port(self, name: str, default: int) -> int:
        value = self.text(name, str(default), r"[0-9]{1,5}", "a port from 1 to 65535")
        if not 0 < int(value) < 65536:
            raise ConfigError(f"{name}: expected a port from 1 to 65535, got {value!r}")
        return int(value)

    def port_or_none(self, name: str, default: int) -> int:
        """0 where the setting is there and says 0 or nothing."""
        return 0 if self.environment.get(name) in ("", "0") else self.port(name, default)

    def switch(self, name: str) -> bool:
        return self.text(name, "0", "0|1|true|false", "1 or 0").lower() in ("1", "true")

    def names(self, name: str, *default: str) -> tuple[str, ...]:
        """A list with commas between."""
        given = tuple(part.strip() for part in self.environment.get(name, "").split(",") if part.strip())
        return given or default

    def port_range(self, name: str, default: str) -> range:
        """Two ports with a dash between, both of them included."""
        text = self.text(name, default, r"[0-9]{4,5}-[0-9]{4,5}", "FIRST-LAST")
        first, last = (int(part) for part in text.split("-"))
        if not 1024 <= first <= last <= 65535:
            raise ConfigError(f"{name}: {text} is not a range of ports from 1024 to 65535")
        return range(first, last + 1)

    def networks(self, name: str) -> tuple[str, ...]:
        """A list of networks, of IPv4 and IPv6, in their normal form."""
        try:
            return tuple(str(ipaddress.ip_network(part)) for part in self.names(name))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error

    def network(self, name: str, default: str) -> ipaddress.IPv4Network:
        try:
            return ipaddress.IPv4Network(self.text(name, default))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error


def read(environment: Mapping[str, str] = os.environ) -> Config:
    """Read every setting from the environment. Raises `ConfigError`.

    The three secrets that Berth makes itself are empty before the first start; what needs them says so.
    """
    value = _Reader(environment)
    home = Path(value.text("BERTH_HOME") or Path.home() / ".berth").expanduser().absolute()
    address = (r"[^\s:/]+:[0-9]{1,5}", "HOST:PORT")
    etcd_port = value.port("BERTH_ETCD_PORT", 2479)
    config = Config(
        home=home,
        bind=value.text("BERTH_BIND", "127.0.0.1"),
        port=value.port("BERTH_PORT", 8000),
        http_bind=value.text("BERTH_HTTP_BIND", "*"),
        http_port=value.port("BERTH_HTTP_PORT", 8080),
        https_port=value.port_or_none("BERTH_HTTPS_PORT", 8443),
        tcp_ports=value.port_range("BERTH_TCP_PORTS", "20000-20099"),
        trusted_proxies=value.networks("BERTH_TRUSTED_PROXIES"),
        allowed_hosts=value.names("BERTH_HOSTS", "localhost", "127.0.0.1", "[::1]"),
        debug=value.switch("BERTH_DEBUG"),
        log_level=value.text("BERTH_LOG_LEVEL", "INFO", *LOG_LEVEL),
        database_url=value.url("DATABASE_URL", "sqlite", "postgres", "postgresql"),
        redis_url=value.url("BERTH_REDIS_URL", "redis", "rediss", "unix"),
        etcd=value.text("BERTH_ETCD", "", *address),
        etcd_port=etcd_port,
        etcd_peer_port=value.port("BERTH_ETCD_PEER_PORT", etcd_port + 1),
        etcd_prefix=value.text("BERTH_ETCD_PREFIX", "/berth/", r"/([a-z0-9-]+/)*", "a path like /berth/"),
        registry=value.text("BERTH_REGISTRY", "", *address),
        registry_port=value.port("BERTH_REGISTRY_PORT", 5050),
        engine=value.text("BERTH_ENGINE", "", r"(unix|tcp)://.+|embedded", "unix://PATH, tcp://HOST:PORT or embedded"),
        subnets=value.network("BERTH_SUBNETS", "10.96.0.0/12"),
        edge=value.text("BERTH_EDGE", "edge", r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", "lower-case letters and digits"),
        secret_key=value.secret("BERTH_SECRET_KEY") or _made(home, "secret-key"),
        env_keys=tuple((value.secret("BERTH_ENV_KEYS") or _made(home, "env-keys")).replace(",", " ").split()),
        edge_keys=tuple((value.secret("BERTH_EDGE_KEYS") or _made(home, "edge-keys")).replace(",", " ").split()),
        acme_directory=value.url("BERTH_ACME_DIRECTORY", "https") or LETS_ENCRYPT,
        acme_email=value.text("BERTH_ACME_EMAIL", "", r"[^\s,@]+@[^\s,@]+", "an address like ops@example.com"),
        acme_ca=value.text("BERTH_ACME_CA"),
        installation=value.text("BERTH_INSTALLATION", _made(home, "installation"), "[0-9a-f]{6}", "six hex digits"),
    )
    if len(os.fsencode(config.redis_socket)) > UNIX_PATH_LIMIT and not config.redis_url:
        raise ConfigError(f"BERTH_HOME: too long a path for the unix socket {config.redis_socket}")
    return config


def _made(home: Path, name: str) -> str:
    """The secret that the first start wrote, or empty when there was none yet."""
    try:
        return (home / "secrets" / name).read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"BERTH_HOME: {error}") from error
