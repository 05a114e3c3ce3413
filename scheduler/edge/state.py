"""What etcd wants served, app by app. Pure.

An etcd that lost its content is not an order to serve nothing. Until its epoch begins, which is when every app has been
published again, an app that is missing from it is kept as it was; one whose config is there is what etcd says it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scheduler import discovery
from scheduler.discovery import APPS, EPOCH, AppConfig
from scheduler.edge import grammar
from scheduler.edge.backend import App
from scheduler.edge.grammar import Refused
from scheduler.etcd_base import Changes, Snapshot
from scheduler.model import Endpoint

CONFIG = "config"
ENDPOINT = "endpoints/"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be served of an app. `refused` says what of etcd's text is not, and why; no config: nothing is."""

    config: AppConfig | None = None
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    refused: str = ""


class Table:
    """All apps as wanted, and the revision and epoch that they were read at."""

    def __init__(self, kept: Mapping[App, Wanted]) -> None:
        """Start from what was served before: it is kept until etcd says otherwise."""
        self.apps: dict[App, Wanted] = dict(kept)
        self.revision = 0
        self.epoch = ""
        self._texts: dict[App, dict[str, str]] = {}  # of apps that etcd has, by the rest of the key

    def replace(self, snapshot: Snapshot) -> set[App]:
        """Take a whole listing; returns the apps that are different now."""
        texts: dict[App, dict[str, str]] = {}
        for key, text in snapshot.values.items():
            if (found := _split(key)) is not None:
                texts.setdefault(found[0], {})[found[1]] = text
        touched = {app for app in texts.keys() | self._texts.keys() if texts.get(app) != self._texts.get(app)}
        self._texts = texts
        self.revision, self.epoch = snapshot.revision, snapshot.values.get(EPOCH, "")
        return self._reread(touched | (self.apps.keys() - texts.keys()))

    def update(self, changes: Changes) -> set[App]:
        """Take what changed; returns the apps that are different now."""
        touched = set()
        for key, text in changes.values.items():
            if key == EPOCH:
                self.epoch = text or ""
                touched |= self.apps.keys() - self._texts.keys()
            elif (found := _split(key)) is not None:
                app, rest = found
                touched.add(app)
                texts = self._texts.setdefault(app, {})
                if text is None:
                    texts.pop(rest, None)
                else:
                    texts[rest] = text
                if not texts:
                    del self._texts[app]
        self.revision = changes.revision
        return self._reread(touched)

    def _reread(self, apps: Iterable[App]) -> set[App]:
        return {app for app in apps if self._reread_one(app)}

    def _reread_one(self, app: App) -> bool:
        before, texts = self.apps.get(app), self._texts.get(app, {})
        if CONFIG not in texts and not self.epoch and before is not None:
            return False
        after = read_app(app, texts, before) if texts else None
        if after is None:
            self.apps.pop(app, None)
        else:
            self.apps[app] = after
        return after != before


def read_app(app: App, texts: Mapping[str, str], before: Wanted | None) -> Wanted:
    """What etcd's text says of an app. What may not be rendered is left out; a refused config leaves the one before."""
    refused = []
    config = None
    endpoints = {}
    try:
        grammar.check_app(*app)
    except Refused as error:
        return Wanted(refused=str(error))
    for rest, text in sorted(texts.items()):
        try:
            if rest == CONFIG:
                config = _config(text)
            elif rest.startswith(ENDPOINT):
                endpoint = _endpoint(rest.removeprefix(ENDPOINT), text)
                endpoints[endpoint.instance] = endpoint
        except Refused as error:
            refused.append(f"{rest[:80]!a}: {error}")
            if rest == CONFIG and before is not None:
                config = before.config
    return Wanted(config, endpoints if config is not None else {}, "; ".join(refused)[:500])


def _config(text: str) -> AppConfig:
    try:
        config = discovery.load_config(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"not a config: {type(error).__name__} {error!a}") from None
    grammar.check_config(config)
    return config


def _endpoint(instance: str, text: str) -> Endpoint:
    try:
        endpoint = discovery.load_endpoint(instance, text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"not an endpoint: {type(error).__name__} {error!a}") from None
    grammar.check_endpoint(endpoint)
    return endpoint


def _split(key: str) -> tuple[App, str] | None:
    """App and rest of a key below `apps`; None for Berth's own keys there."""
    group, _, rest = key.removeprefix(APPS).partition("/")
    app, _, rest = rest.partition("/")
    return ((group, app), rest) if app and rest else None
