"""What happened to the supervised processes: a JSON line each in `supervisor.log`, prose for whoever watches."""

from __future__ import annotations

import json
import time
from pathlib import Path

from cloud.supervisor import logfiles
from cloud.supervisor.steps import Steps


class Journal:
    """In the form that `cloud.logs` gives the other processes' lines, without loading a logging library."""

    def __init__(self, log: Path, steps: Steps) -> None:
        self.log, self.steps = log, steps

    def tell(self, name: str, what: str) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
        entry = {"event": what, "process": name, "logger": "supervisor", "level": "warning", "timestamp": stamp}
        logfiles.bound(self.log)
        with self.log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self.steps.say(f"{time.strftime('%H:%M:%S', time.localtime(now))} {name} {what}")
