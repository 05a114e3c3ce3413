"""Typed values out of the environment. A wrong one raises `ConfigError`: the variable, what is wrong, an example.

Nothing beyond Python's own library is needed here, and nothing of a secret is ever repeated.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

# Variables of this form that are no settings: what the supervisor hands its children.
INTERNAL = frozenset({"BERTH_READY_FD", "BERTH_NURSERY_FD", "BERTH_HEARTBEAT"})
OURS = "BERTH_"
NEAR = 0.7  # of 1, how alike two names are for one to be taken for the other, mistyped

HOST = r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"\*|\.?{HOST}|\[[0-9A-Fa-f:.]+\]")
FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")
NEW_KEY = "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
GROUP_PREFIX = 22  # bits of the network that each group gets
NO_CONTAINERS = {
    "loopback": ipaddress.IPv4Network("127.0.0.0/8"),
    "link-local": ipaddress.IPv4Network("169.254.0.0/16"),
    "multicast": ipaddress.IPv4Network("224.0.0.0/4"),
    "reserved": ipaddress.IPv4Network("240.0.0.0/4"),
    "no address of anything": ipaddress.IPv4Network("0.0.0.0/8"),
}


class ConfigError(Exception):
    """A setting that is missing or wrong; the message names it."""


class Reader:
    """Reads one setting a call, and remembers which there are: `refuse_unknown` takes all others for mistyped."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.known = set(INTERNAL)

    def given(self, name: str) -> str:
        """What the variable holds; nothing where it is not there."""
        self.known.add(name)
        return self.environment.get(name, "")

    def refuse_unknown(self) -> None:
        """Raise for a variable that looks like a setting and is none. Call it when all settings were read."""
        for name in sorted(self.environment):
            if name.startswith(OURS) and name not in self.known:
                # what all names begin with makes none of them near
                known = {other.removeprefix(OURS): other for other in self.known - INTERNAL}
                near = difflib.get_close_matches(name.removeprefix(OURS), known, 1, NEAR)
                hint = f"did you mean {known[near[0]]}?" if near else "docs/settings.md lists all"
                raise ConfigError(f"{name}: there is no such setting; {hint}")

    def text(self, name: str, default: str = "", pattern: str = "", expected: str = "") -> str:
        value = self.given(name) or default
        if value and pattern and not re.fullmatch(pattern, value):
            raise ConfigError(f"{name}: expected {expected}, got {value!r}")
        return value

    def secret(self, name: str) -> str:
        """`NAME`, or the content of the file that `NAME_FILE` names, which then has to have some."""
        path = self.given(f"{name}_FILE")
        if not path:
            return self.given(name)
        if self.given(name):
            raise ConfigError(f"{name}: give it or {name}_FILE, not both")
        try:
            value = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}_FILE: {error}") from error
        if not value:
            raise ConfigError(f"{name}_FILE: {path} is empty")
        return value

    def made(self, name: str, kept: Path) -> str:
        """A secret that is given, or what the first start kept as a file; nothing before that.

        A variable that is there and empty is more likely a mistake of a script than a wish for the other one.
        """
        value = self.secret(name)
        if not value and name in self.environment:
            raise ConfigError(f"{name}: it is empty; unset it to use the one in {kept}")
        return value or read_kept(name, kept)

    def folder(self, name: str, default: Path) -> Path:
        """An absolute path: a relative one would be another folder for whoever stands elsewhere."""
        value = self.given(name)
        try:
            path = Path(value or default).expanduser()
        except RuntimeError as error:
            raise ConfigError(f"{name}: {error}") from error
        if not path.is_absolute():
            raise ConfigError(f"{name}: expected an absolute path like {Path.cwd() / path}, got {value!r}")
        return path

    def file(self, name: str) -> str:
        """The path of a file that is there; nothing where none is given."""
        value = self.given(name)
        if value and not Path(value).is_file():
            raise ConfigError(f"{name}: there is no file {value!r}")
        return value

    def port(self, name: str, default: int) -> int:
        expected = f"a port from 1 to 65535 like {default}"
        value = self.text(name, str(default), r"[0-9]{1,5}", expected)
        if not 0 < int(value) < 65536:
            raise ConfigError(f"{name}: expected {expected}, got {value!r}")
        return int(value)

    def port_or_none(self, name: str, default: int) -> int:
        """0 where the setting is there and says 0 or nothing."""
        self.known.add(name)
        return 0 if self.environment.get(name) in ("", "0") else self.port(name, default)

    def switch(self, name: str) -> bool:
        return self.text(name, "0", "0|1|true|false", "1 or 0").lower() in ("1", "true")

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        expected = f"a whole number from {low} to {high} like {default}"
        value = self.text(name, str(default), r"[0-9]{1,9}", expected)
        if not low <= int(value) <= high:
            raise ConfigError(f"{name}: expected {expected}, got {value!r}")
        return int(value)

    def names(self, name: str, *default: str) -> tuple[str, ...]:
        """A list with commas between."""
        given = tuple(part.strip() for part in self.given(name).split(",") if part.strip())
        return given or default

    def hosts(self, name: str, *default: str) -> tuple[str, ...]:
        """Names that a browser sends as `Host`, less the port."""
        for host in (found := self.names(name, *default)):
            if not HOST_NAME.fullmatch(host):
                expected = "host names with commas between, without scheme and port, like berth.example.com,localhost"
                raise ConfigError(f"{name}: expected {expected}, got {host!r}")
        return found

    def bind(self, name: str, default: str, *besides: str) -> str:
        """An IPv4 address to listen on, or one of the words `besides`."""
        value = self.given(name) or default
        if value in besides:
            return value
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            example = " or ".join(["127.0.0.1", "0.0.0.0 for all of this machine's", *besides])
            raise ConfigError(f"{name}: expected an IPv4 address like {example}, got {value!r}") from None

    def host_and_port(self, name: str, example: str) -> str:
        value = self.given(name)
        host, _, port = value.rpartition(":")
        if value and not (re.fullmatch(HOST, host) and re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
            raise ConfigError(f"{name}: expected HOST:PORT, without a scheme, like {example}, got {value!r}")
        return value

    def url(self, name: str, example: str, *schemes: str, lacks: Callable[[SplitResult], str]) -> str:
        """A URL with one of the schemes; `lacks` says what is wrong with its parts, or nothing.

        It may hold a password, so it is not repeated.
        """
        value = self.secret(name)
        if not value:
            return ""
        if value.partition("://")[0] not in schemes:
            raise ConfigError(f"{name}: expected a URL that begins with {_or(schemes)}, like {example}")
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 - raises when it is no port
        except ValueError:
            raise ConfigError(f"{name}: its host or port cannot be read; expected a URL like {example}") from None
        wrong = lacks(parts) if re.fullmatch(r"[!-~]+", value) else "there are spaces or other such characters in it"
        if wrong:
            raise ConfigError(f"{name}: {wrong}; expected a URL like {example}")
        return value

    def port_range(self, name: str, default: str) -> range:
        """Two ports with a dash between, both of them included."""
        text = self.text(name, default, r"[0-9]{4,5}-[0-9]{4,5}", f"FIRST-LAST like {default}")
        first, last = (int(part) for part in text.split("-"))
        if not 1024 <= first <= last <= 65535:
            raise ConfigError(f"{name}: {text} is not a range of ports from 1024 to 65535 like {default}")
        return range(first, last + 1)

    def networks(self, name: str, *default: str) -> tuple[str, ...]:
        """A list of networks, of IPv4 and IPv6, in their normal form."""
        try:
            return tuple(str(ipaddress.ip_network(part)) for part in self.names(name, *default))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}; expected networks like 10.1.0.0/16,fd00::/8") from error

    def pool(self, name: str, default: str) -> ipaddress.IPv4Network:
        """An IPv4 network that at least one group's is cut from, of addresses that containers may have."""
        value, example = self.given(name) or default, f"a network like {default}"
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}; expected {example}") from error
        if "/" not in value or network.prefixlen > GROUP_PREFIX:
            raise ConfigError(f"{name}: {network} is too small: each group gets a /{GROUP_PREFIX}; expected {example}")
        for kind, theirs in NO_CONTAINERS.items():
            if network.overlaps(theirs):
                raise ConfigError(f"{name}: {network} overlaps with {theirs}, which is {kind}; expected {example}")
        return network

    def fernet_keys(self, name: str, kept: Path) -> tuple[str, ...]:
        """Keys with spaces or commas between, newest first; none before the first start has made one."""
        text = self.made(name, kept)
        keys = tuple(text.replace(",", " ").split())
        if text and not keys:
            raise ConfigError(f"{name}: there is no key in it; make one with {NEW_KEY}")
        for place, key in enumerate(keys, 1):
            if not FERNET_KEY.fullmatch(key):
                which = f"key {place} of {len(keys)}" if len(keys) > 1 else "this"
                raise ConfigError(f"{name}: {which} is no Fernet key, 32 bytes in base64; make one with {NEW_KEY}")
        return keys


def read_kept(name: str, kept: Path) -> str:
    """What the first start wrote, or nothing when there was none yet. One that lost its content is refused."""
    try:
        value = kept.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"BERTH_HOME: {kept}: {error}") from error
    if not value:
        raise ConfigError(f"{name}: {kept} is empty; restore it from a backup")
    return value


def _or(words: tuple[str, ...]) -> str:
    """`a://, b:// or c://`"""
    *some, last = [f"{word}://" for word in words]
    return f"{', '.join(some)} or {last}" if some else last
