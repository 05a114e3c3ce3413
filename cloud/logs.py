"""Logging, the same for all of Berth's processes: one JSON object a line on standard error, prose on a terminal.

Python's own loggers and structlog's go the same way, and what is secret by its name is masked on it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# In which names a secret hides. `env` is the environment of an app: its values are secrets.
SECRET = ("password", "secret", "token", "authorization", "cookie", "env_keys")
MASK = "***"

Entry = MutableMapping[str, Any]


def mask_secrets(_logger: object, _method: str, entry: Entry) -> Entry:
    """Replace every value whose name says that it is a secret, at any depth."""
    for name, value in entry.items():
        if name == "env" or any(word in name.lower() for word in SECRET):
            entry[name] = MASK
        elif isinstance(value, dict):
            entry[name] = mask_secrets(None, "", dict(value))
    return entry


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    mask_secrets,
]


def configure(level: str = "INFO") -> None:
    """Set up both kinds of loggers; what is below `level` is dropped."""
    configure_structlog()
    rendered: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if sys.stderr.isatty()
        # plain tracebacks: a rendering with local variables would show their secrets
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("django").handlers.clear()  # Django's own defaults: it goes through the root like all others
    for chatty in ("docker", "urllib3", "asyncio", "celery.app.trace", "celery.worker.strategy", "celery.beat"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def configure_structlog() -> None:
    """Send structlog's loggers through Python's own."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
