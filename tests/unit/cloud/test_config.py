"""Settings are typed and loud when wrong."""

import re
from pathlib import Path

import pytest

from cloud import config


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
    (tmp_path / "secrets" / "env-keys").write_text("new,old\n")
    assert read(tmp_path).env_keys == ("new", "old")


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://berth:hush@db/berth\n")
    assert read(tmp_path, DATABASE_URL_FILE=str(tmp_path / "url")).database == "postgres://berth:hush@db/berth"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("BERTH_PORT", "0"),
        ("BERTH_PORT", "65536"),
        ("BERTH_HTTP_PORT", "http"),
        ("BERTH_DEBUG", "maybe"),
        ("BERTH_ETCD", "etcd"),
        ("BERTH_REGISTRY", "http://images.example:5000"),
        ("BERTH_ENGINE", "/var/run/docker.sock"),
        ("BERTH_SUBNETS", "10.0.0.1/12"),
        ("BERTH_EDGE", "Edge;1"),
        ("BERTH_INSTALLATION", "berth"),
        ("BERTH_REDIS_URL", "localhost:6379"),
        ("DATABASE_URL", "mysql://db/berth"),
        ("DATABASE_URL_FILE", "/nonexistent/berth"),
    ],
)
def test_a_wrong_value_names_its_setting(tmp_path: Path, name: str, wrong: str) -> None:
    with pytest.raises(config.ConfigError, match=f"^{name}: "):
        read(tmp_path, **{name: wrong})


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError) as error:
        read(tmp_path, DATABASE_URL="mysql://berth:hush@db/berth")
    assert "hush" not in str(error.value)


def test_a_home_too_deep_for_a_unix_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="BERTH_HOME"):
        read(tmp_path / ("deep" * 30))


def test_every_setting_is_documented() -> None:
    root = Path(config.__file__).parent.parent
    read_here = set(re.findall(r'"((?:BERTH|DATABASE)_[A-Z_]+)"', (root / "cloud" / "config.py").read_text()))
    documented = set(re.findall(r"^\| `([A-Z_]+)`", (root / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert documented == read_here
