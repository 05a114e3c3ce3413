"""Settings are typed and loud when wrong."""

import re
from pathlib import Path
from typing import Any

import pytest

from cloud import config

KEY, OLDER = f"{'k' * 43}=", f"{'o' * 43}="


def read(home: Path, **settings: str) -> config.Config:
    return config.read({"BERTH_HOME": str(home), **settings})


def test_everything_is_embedded_below_home_by_default(tmp_path: Path) -> None:
    berth = read(tmp_path)
    assert berth.redis == f"unix://{tmp_path}/run/redis.sock"
    assert berth.database == f"sqlite:///{tmp_path}/berth.sqlite3"
    assert berth.etcd_address == ("127.0.0.1", 2479)
    assert berth.registry_address == "127.0.0.1:5050"
    assert (berth.secret_key, berth.env_keys, berth.installation) == ("", (), "")


def test_given_addresses_take_the_place_of_embedded_ones(tmp_path: Path) -> None:
    berth = read(
        tmp_path,
        BERTH_REDIS_URL="redis://cache:6379/1",
        BERTH_ETCD="etcd.example:2379",
        BERTH_REGISTRY="images.example:5000",
        DATABASE_URL="postgres://berth@db/berth",
    )
    assert berth.redis == "redis://cache:6379/1"
    assert berth.etcd_address == ("etcd.example", 2379)
    assert berth.registry_address == "images.example:5000"
    assert berth.database == "postgres://berth@db/berth"


@pytest.mark.parametrize(("given", "port"), [(None, 8443), ("443", 443), ("0", 0), ("", 0)])
def test_https_has_a_port_unless_it_is_told_to_have_none(tmp_path: Path, given: str | None, port: int) -> None:
    assert read(tmp_path, **({} if given is None else {"BERTH_HTTPS_PORT": given})).https_port == port


def test_secrets_that_the_first_start_made_are_read_from_home(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "env-keys").write_text(f"{KEY},{OLDER}\n")
    assert read(tmp_path).env_keys == (KEY, OLDER)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://berth:hush@db/berth\n")
    assert read(tmp_path, DATABASE_URL_FILE=str(tmp_path / "url")).database == "postgres://berth:hush@db/berth"


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("BERTH_PORT", "0", "a port from 1 to 65535 like 8000"),
        ("BERTH_PORT", "65536", "a port"),
        ("BERTH_HTTP_PORT", "http", "a port"),
        ("BERTH_DEBUG", "maybe", "1 or 0"),
        ("BERTH_ETCD", "etcd", "like etcd.example.com:2379"),
        ("BERTH_ETCD", "http://etcd.example:2379", "without a scheme"),
        ("BERTH_ETCD", "etcd.example:99999", "HOST:PORT"),
        ("BERTH_REGISTRY", "http://images.example:5000", "without a scheme"),
        ("BERTH_ENGINE", "/var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("BERTH_ENGINE", "tcp://engine", "tcp://HOST:PORT"),
        ("BERTH_SUBNETS", "10.0.0.1/12", "host bits"),
        ("BERTH_SUBNETS", "ten", "like 10.96.0.0/12"),
        ("BERTH_SUBNETS", "127.0.0.0/8", "loopback"),
        ("BERTH_SUBNETS", "168.0.0.0/6", "link-local"),
        ("BERTH_SUBNETS", "224.0.0.0/8", "multicast"),
        ("BERTH_SUBNETS", "10.0.0.0/23", "too small"),
        ("BERTH_SUBNETS", "10.0.0.0", "too small"),
        ("BERTH_BIND", "localhost:8000", "like 127.0.0.1"),
        ("BERTH_BIND", "10.0.0.256", "like 127.0.0.1"),
        ("BERTH_BIND", "::1", "an IPv4 address"),
        ("BERTH_HTTP_BIND", "all", "like 127.0.0.1"),
        ("BERTH_HOSTS", "https://berth.example", "without scheme and port"),
        ("BERTH_HOSTS", "localhost,berth.example:8000", "'berth.example:8000'"),
        ("BERTH_HOSTS", "berth.example localhost", "commas"),
        ("BERTH_EDGE", "Edge;1", "letters"),
        ("BERTH_INSTALLATION", "berth", "six hex digits"),
        ("BERTH_REDIS_URL", "localhost:6379", "like redis://"),
        ("BERTH_REDIS_URL", "http://cache", "redis://, rediss:// or unix://"),
        ("BERTH_REDIS_URL", "redis://", "no host"),
        ("BERTH_REDIS_URL", "redis://cache:port", "host or port"),
        ("BERTH_REDIS_URL", "redis://cache/first", "database"),
        ("BERTH_REDIS_URL", "unix://redis.sock", "absolute path"),
        ("DATABASE_URL", "mysql://db/berth", "like postgres://"),
        ("DATABASE_URL", "postgres://db:port/berth", "host or port"),
        ("DATABASE_URL", "postgres://db", "no database"),
        ("DATABASE_URL", "postgres://berth@[db/berth", "cannot be read"),
        ("DATABASE_URL", "postgres://db/berth as berth", "spaces"),
        ("DATABASE_URL", "sqlite:///berth.sqlite3", "absolute path"),
        ("DATABASE_URL", "sqlite://:memory:", "cannot be read"),
        ("DATABASE_URL_FILE", "/nonexistent/berth", "No such file"),
        ("DATABASE_URL_FILE", "/dev/null", "empty"),
        ("BERTH_SECRET_KEY", "secret", "6 of at least 32"),
        ("BERTH_SECRET_KEY", "", "unset it"),
        ("BERTH_ENV_KEYS", "secret", "no Fernet key"),
        ("BERTH_ENV_KEYS", f"{'A' * 43}= secret", "key 2 of 2"),
        ("BERTH_ENV_KEYS", " , ", "no key"),
        ("BERTH_EDGE_KEYS", "", "unset it"),
        ("BERTH_ACME_CA", "/nonexistent/ca.pem", "no file"),
        ("BERTH_ACME_DIRECTORY", "http://acme.example/", "https://"),
        ("BERTH_TRUSTED_PROXIES", "proxy", "like 10.1.0.0/16"),
        ("BERTH_TCP_PORTS", "20000", "like 20000-20099"),
        ("BERTH_HTPP_PORT", "8080", "did you mean BERTH_HTTP_PORT"),
        ("BERTH_HOST", "berth.example.com", "did you mean BERTH_HOSTS"),
        ("BERTH_DATABASE_URL", "postgres://db/berth", "did you mean DATABASE_URL"),
        ("BERTH_FOO", "1", "docs/settings.md lists all"),
        ("BERTH_PORT_FILE", "/etc/port", "no such setting"),
    ],
)
def test_a_wrong_value_names_its_setting_what_is_wrong_and_an_example(
    tmp_path: Path, name: str, wrong: str, said: str
) -> None:
    with pytest.raises(config.ConfigError, match=f"^{name}: .*{re.escape(said)}"):
        read(tmp_path, **{name: wrong})


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("BERTH_SUBNETS", "10.0.0.0/22"),
        ("BERTH_BIND", "0.0.0.0"),  # noqa: S104
        ("BERTH_BIND", "localhost"),
        ("BERTH_HTTP_BIND", "*"),
        ("BERTH_HOSTS", "*"),
        ("BERTH_HOSTS", ".example.com, berth_1, [::1]"),
        ("BERTH_REDIS_URL", "rediss://:hush@cache:6380/2"),
        ("BERTH_REDIS_URL", "unix:///run/redis.sock?db=1"),
        ("DATABASE_URL", "postgres://berth:hush@%2Frun%2Fpostgresql/berth?sslmode=require"),
        ("DATABASE_URL", "postgresql:///?service=berth"),
        ("DATABASE_URL", "sqlite:////var/lib/berth.sqlite3"),
        ("BERTH_ENV_KEYS", f"{'A' * 43}=, {'_' * 43}="),
        ("BERTH_ENGINE", "tcp://10.0.0.7:2375"),
    ],
)
def test_what_is_right_in_an_unusual_way_is_taken(tmp_path: Path, name: str, right: str) -> None:
    read(tmp_path, **{name: right})


def test_a_home_that_depends_on_where_one_stands_is_refused_with_the_absolute_path() -> None:
    with pytest.raises(config.ConfigError, match=f"^BERTH_HOME: .*{re.escape(str(Path.cwd()))}/data"):
        config.read({"BERTH_HOME": "data"})


@pytest.mark.parametrize("name", ["secret-key", "env-keys", "edge-keys", "installation"])
def test_a_secret_that_lost_its_content_is_not_taken_for_one_that_was_never_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / name).touch()
    with pytest.raises(config.ConfigError, match=f"^BERTH_{name.upper().replace('-', '_')}: .* is empty"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("hosts", "host"),
    [("", "localhost"), ("*", "localhost"), (".example.com", "example.com"), ("berth.example.com,localhost",) * 2],
)
def test_whoever_asks_the_panel_itself_knows_a_name_that_it_answers_to(tmp_path: Path, hosts: str, host: str) -> None:
    assert read(tmp_path, BERTH_HOSTS=hosts).host == host.partition(",")[0]


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    for name, wrong in (
        ("DATABASE_URL", "mysql://berth:hush@db/berth"),
        ("DATABASE_URL", "postgres://berth:hush@db:port/berth"),
        ("BERTH_REDIS_URL", "redis://:hush@cache/first"),
        ("BERTH_SECRET_KEY", "hush"),
        ("BERTH_ENV_KEYS", "hush"),
    ):
        with pytest.raises(config.ConfigError) as error:
            read(tmp_path, **{name: wrong})
        assert "hush" not in str(error.value)


def test_a_home_too_deep_for_a_unix_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="BERTH_HOME"):
        read(tmp_path / ("deep" * 30))


class Unset(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(BERTH_HOME="/nonexistent")
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def test_every_setting_is_documented_with_its_default_and_whether_a_file_may_hold_it() -> None:
    environment = Unset()
    berth = config.read(environment)
    page = (Path(config.__file__).parent.parent / "docs" / "settings.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)`( \*)? \| (?:`([^`]*)`)?", page, re.MULTILINE)
    secret = {name.removesuffix("_FILE") for name in environment.asked if name.endswith("_FILE")}
    assert {name for name, *_ in rows} == {name for name in environment.asked if not name.endswith("_FILE")}
    assert {name for name, star, _ in rows if star} == secret
    defaults = {name: default for name, _, default in rows if default and name.startswith("BERTH_")}
    del defaults["BERTH_HOME"], defaults["BERTH_ETCD_PEER_PORT"]  # which depend on others
    for name, default in defaults.items():
        assert config.read({"BERTH_HOME": "/nonexistent", name: default}) == berth, name
