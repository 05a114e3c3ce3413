"""HAProxy's two sockets: the master's, which knows the processes, and the one of the worker that serves.

HaproxyError
  HaproxyGone     temporary  nothing answers, or not in time
  HaproxyRefused  permanent  it will not have what it was given; says what and why
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scheduler.edge.verdicts import Row, rows

TIMEOUT = 5.0  # seconds
LONGEST_LINE = 12_000  # HAProxy takes at most 16 KiB, all commands of a line together
PROCESS = re.compile(r"(\d+)\s+(master|worker)\s+\d+( \[failed: (\d+)\])?", re.ASCII)
IN_USE = re.compile(r"^(\S+)/s\d+ \d+/\d+ (\S+) (\d+) - \d+ ([1-9]\d*) ", re.ASCII | re.MULTILINE)
FINE = re.compile(r"(?:IP changed|port changed|no need to change).*")


class HaproxyError(Exception):
    """The root of what can go wrong with HAProxy."""


class HaproxyGone(HaproxyError):
    pass


class HaproxyRefused(HaproxyError):
    pass


@dataclass(frozen=True, slots=True)
class Processes:
    master: int
    worker: int | None  # the one that serves
    old: tuple[int, ...]  # those that finish what they had begun before a reload
    failed: int  # reloads that failed since the last one that did not


class Master:
    """The master's socket. It answers also for workers that were told to finish."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def processes(self) -> Processes:
        """Raises `HaproxyGone`."""
        current, _, old = self._ask("show proc").partition("# old workers")
        found = PROCESS.findall(current)
        masters = [each for each in found if each[1] == "master"]
        if not masters:
            raise HaproxyGone("its master shows no process")
        workers = [int(each[0]) for each in found if each[1] == "worker"]
        return Processes(
            int(masters[0][0]),
            workers[0] if workers else None,
            tuple(int(each[0]) for each in PROCESS.findall(old)),
            int(masters[0][3] or 0),
        )

    def reload(self) -> None:
        """Have the configuration read again; returns before that is done."""
        self._ask("reload")

    def stat(self, worker: int, backend: str) -> list[Row]:
        """A backend's servers as a worker has them; none when it does not know the backend."""
        return rows(self._ask(f"@!{worker} show stat {backend} 4 -1"))

    def connections(self, worker: int) -> str:
        """The connections that a worker has to servers; see `connections`."""
        return self._ask(f"@!{worker} show servers conn")

    def takes_requests(self, worker: int) -> bool:
        """Whether a worker has not been told to finish yet; one that is gone takes none."""
        return "\nStopping: 0\n" in self._ask(f"@!{worker} show info")

    def _ask(self, command: str) -> str:
        return "".join(_talk(self._path, [command], half_close=True))


class Runtime:
    """The socket of the worker that serves. Commands hold no text of users: `;` or a newline would end them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pid(self) -> int:
        """Who answers: just after a reload that may still be the worker before."""
        found = re.search(r"^Pid: (\d+)$", self._ask("show info"), re.MULTILINE)
        if found is None:
            raise HaproxyGone("no worker answers")
        return int(found[1])

    def tell(self, commands: Sequence[str]) -> list[str]:
        """Carry out `set server` commands in order; returns what it said of those that it did not carry out."""
        answers = _talk(self._path, _lines(commands))
        return [line for answer in answers for line in answer.splitlines() if line and not FINE.fullmatch(line)]

    def stat(self, backend: str) -> list[Row]:
        """A backend's servers; none when there is no such backend."""
        return rows(self._ask(f"show stat {backend} 4 -1"))

    def servers(self) -> str:
        """The state of all servers, cheaper than their statistics; see `standings`."""
        return self._ask("show servers state")

    def connections(self) -> str:
        """The connections to all servers; see `connections`."""
        return self._ask("show servers conn")

    def renew(self, certificate: Path, pem: str) -> bool:
        """Serve this from now on in place of what that file had; whether it does. `pem` has no empty line."""
        said = self._ask(f"set ssl cert {certificate} <<\n{pem}")
        if "ransaction" not in said:
            return False
        if "Success!" in self._ask(f"commit ssl cert {certificate}"):
            return True
        self._ask(f"abort ssl cert {certificate}")
        return False

    def change_map(self, file: Path, added: Mapping[str, str], gone: Iterable[str]) -> bool:
        """Add to a map and take from it; whether all of it was done. Keys and values have no spaces."""
        commands = [f"add map {file} {key} {value}" for key, value in added.items()]
        commands += [f"del map {file} {key}" for key in gone]
        return not any(answer.strip() for answer in _talk(self._path, _lines(commands)))

    def _ask(self, command: str) -> str:
        return "".join(_talk(self._path, [command]))


@dataclass(frozen=True, slots=True)
class Standing:
    """One server as `show servers state` has it."""

    backend: str
    server: str
    place: str  # address:port
    up: bool
    spare: bool  # in maintenance
    draining: bool
    weight: int = 1

    @property
    def number(self) -> int:
        """The index of its slot."""
        return int(self.server[1:]) - 1


def standings(text: str) -> Iterator[Standing]:
    """The servers in the answer to `show servers state`, in their order."""
    for line in text.splitlines():
        part = line.split(" ")
        if len(part) > 18 and part[0].isdigit():
            admin = int(part[6])
            # 0x01, 0x02 and 0x20 are maintenance by command, by tracking and by resolution
            yield Standing(
                part[1],
                part[3],
                f"{part[4]}:{part[18]}",
                part[5] != "0",
                bool(admin & 0x23),
                bool(admin & 8),
                int(part[7]),
            )


def connections(text: str) -> Iterator[tuple[str, str, int]]:
    """Backend, place and how many are in use, of the servers in the answer to `show servers conn` that have any."""
    for backend, address, port, used in IN_USE.findall(text):
        yield backend, f"{address}:{port}", int(used)


def _lines(commands: Iterable[str]) -> Iterator[str]:
    """Commands joined into lines that HAProxy takes."""
    line = ""
    for command in commands:
        if line and len(line) + len(command) >= LONGEST_LINE:
            yield line
            line = ""
        line = f"{line};{command}" if line else command
    if line:
        yield line


def _talk(path: Path, lines: Iterable[str], *, half_close: bool = False) -> list[str]:
    """Send each line on a connection of its own and return the answers. The master wants to be told of the end."""
    answers = []
    for line in lines:
        answer = bytearray()
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.settimeout(TIMEOUT)
                channel.connect(str(path))
                channel.sendall(f"{line}\n".encode())
                if half_close:
                    channel.shutdown(socket.SHUT_WR)
                while piece := channel.recv(1 << 16):
                    answer += piece
        except OSError as error:
            raise HaproxyGone(f"{path.name}: {error}") from error
        answers.append(answer.decode(errors="replace"))
    return answers
