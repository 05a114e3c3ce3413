"""The environment that every test runs in: a Berth home of its own, fresh keys, nothing of the machine's.

This happens before Django loads, so `DJANGO_SETTINGS_MODULE` is set here and not in `pyproject.toml`. Processes that
a test starts inherit the same environment. `DATABASE_URL` alone is taken from outside: the ORM's tests run on SQLite
and on PostgreSQL.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import django.conf
import pytest
from cryptography.fernet import Fernet
from hypothesis import settings as hypothesis_settings

if django.conf.settings.configured:
    raise RuntimeError("unset DJANGO_SETTINGS_MODULE: Django was set up before the tests' own environment was")

HERE = Path(__file__).parent

# The same code gets the same verdict each time; `--hypothesis-profile=explore` looks further, at examples of its own.
hypothesis_settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis_settings.register_profile("explore", max_examples=2000, deadline=None)
hypothesis_settings.load_profile("repeatable")
_home = tempfile.TemporaryDirectory(prefix="berth-test-")
Path(_home.name, "static").mkdir()

for _name in [name for name in os.environ if name.startswith("BERTH_")]:
    del os.environ[_name]
os.environ.update(
    DJANGO_SETTINGS_MODULE="cloud.settings",
    BERTH_HOME=_home.name,
    BERTH_SECRET_KEY=secrets.token_hex(32),
    BERTH_ENV_KEYS=Fernet.generate_key().decode(),
    BERTH_INSTALLATION=secrets.token_hex(3),
    BERTH_HOSTS="localhost,127.0.0.1,testserver",
)

from django.conf import settings  # noqa: E402
from django.utils import translation  # noqa: E402

from cloud import logs  # noqa: E402

# No test needs a broker or a layer of its own unless it is about one; those set the address themselves.
settings.CELERY_BROKER_URL = "memory://"
settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # a file: SQLite in memory locks whole tables between threads and knows no busy timeout
    settings.DATABASES["default"]["TEST"] = {"NAME": str(Path(_home.name) / "test.sqlite3")}

# pytest's own handlers take the log lines; ours would write to a stream that pytest has closed
settings.LOGGING_CONFIG = None
logs.configure_structlog()

django.setup()


@pytest.fixture(autouse=True)
def _language_of_its_own() -> Iterator[None]:
    """A request leaves its language behind in its thread, which here is the tests' own."""
    yield
    translation.deactivate()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests reach nothing outside their process (unix sockets are left: event loops need a pair of them)."""
    for item in items:
        if item.path.is_relative_to(HERE / "unit"):
            item.add_marker(pytest.mark.disable_socket)
        if item.path.is_relative_to(HERE / "browser"):
            # Playwright's sync API keeps an event loop running in the tests' own thread
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def pytest_unconfigure() -> None:
    _home.cleanup()
