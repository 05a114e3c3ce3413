"""The edge's folder: HAProxy's configuration, its sockets, and nothing that etcd does not have."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# sun_path holds 107 bytes, and HAProxy first binds to a temporary name that is longer than the socket's
LONGEST_SOCKET = 90
MOST_ENDS = 1000  # that are remembered


class FolderError(Exception):
    """The folder cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Folder:
    root: Path

    @property
    def conf(self) -> Path:
        """All of HAProxy's configuration: `edge.cfg` first, and a file an app."""
        return self.root / "conf"

    @property
    def base(self) -> Path:
        return self.conf / "00-edge.cfg"  # a name that no app's file has and that is read before theirs

    @property
    def staged(self) -> Path:
        """Files that are being checked before they replace those in `conf`."""
        return self.root / "staged"

    @property
    def routes(self) -> Path:
        return self.root / "routes.map"

    @property
    def checks(self) -> Path:
        """What each server's health check asks for."""
        return self.root / "checks.map"

    @property
    def canaries(self) -> Path:
        """The share of the traffic that each app's canary gets, and from which servers."""
        return self.root / "canaries.map"

    @property
    def states(self) -> Path:
        """Which servers are up, for a HAProxy that starts."""
        return self.root / "servers.state"

    @property
    def reloading(self) -> Path:
        """Is there while `conf` is newer than what HAProxy runs with."""
        return self.root / "reloading"

    @property
    def certificates(self) -> Path:
        """Chains with their private keys, a file each."""
        return self.root / "certificates"

    @property
    def default(self) -> Path:
        """The certificate for names that none is there for; its name is no certificate's of a group."""
        return self.certificates / "default.pem"

    @property
    def crt_list(self) -> Path:
        return self.certificates / "list"

    @property
    def certificates_record(self) -> Path:
        """What is served of certificates besides the files, for an agent that starts."""
        return self.certificates / "record.json"

    @property
    def certificates_behind(self) -> Path:
        """Is there while HAProxy may not have what the files say."""
        return self.certificates / "behind"

    @property
    def https_only(self) -> Path:
        return self.root / "https-only.map"

    @property
    def challenges(self) -> Path:
        return self.root / "challenges.map"

    def certificate(self, name: str) -> Path:
        return self.certificates / f"{name}.pem"

    @property
    def master(self) -> Path:
        return self.root / "master.sock"

    @property
    def runtime(self) -> Path:
        return self.root / "run.sock"

    @property
    def notify(self) -> Path:
        """Where HAProxy's master says that it is ready."""
        return self.root / "notify.sock"

    @property
    def ends(self) -> Path:
        """When HAProxy ended without being asked to, Unix times, newest last."""
        return self.root / "ends"

    @property
    def log(self) -> Path:
        return self.root / "haproxy.log"

    @property
    def traffic(self) -> Path:
        """The pipe that HAProxy writes a line into for each request."""
        return self.root / "traffic"

    @property
    def hints(self) -> str:
        """The abstract socket that HAProxy logs to; its worker has no access to the folder any more."""
        return f"berth-edge-{hashlib.sha256(str(self.root).encode()).hexdigest()[:16]}"

    def app_file(self, name: str) -> Path:
        return self.conf / f"{name}.cfg"

    def staged_file(self, name: str) -> Path:
        """What is to become an app's file."""
        return self.staged / f"{name}.cfg"

    def prepare(self) -> None:
        """Make it. Raises `FolderError` when HAProxy could not work with its path."""
        path = str(self.root)
        if len(str(self.master)) > LONGEST_SOCKET:
            raise FolderError(f"{path} is too long for the sockets in it; at most {LONGEST_SOCKET - 12} signs")
        if not path.isprintable() or set(path) & set("'\"\\;,()[]%# "):
            raise FolderError(f"{path!a} has signs that HAProxy's configuration cannot name")
        for folder in (self.root, self.conf, self.staged):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remember_end(self, at: float) -> None:
        """Note that HAProxy ended at this Unix time. A count that cannot be kept is no reason not to start it again."""
        with contextlib.suppress(OSError):
            before = self.ends.read_text().splitlines() if self.ends.exists() else []
            write(self.ends, "".join(f"{line}\n" for line in [*before[1 - MOST_ENDS :], f"{at:.0f}"]))

    def lock(self) -> IO[bytes]:
        """Hold the folder as long as the result is open. Raises `FolderError` when another agent holds it."""
        held = (self.root / "lock").open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            raise FolderError(f"another agent runs in {self.root}") from None
        return held


def write(path: Path, text: str) -> None:
    """Replace a file's content at once, so that no reader sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)
