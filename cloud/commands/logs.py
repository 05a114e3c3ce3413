"""`./berth logs [PROCESS]`: where the logs are, or the end of one."""

from __future__ import annotations

import argparse
import os
import sys

from cloud import config
from cloud.supervisor import logfiles


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./berth logs", description=__doc__)
    parser.add_argument("process", nargs="?", help="web, worker, edge … or supervisor; without it: which there are")
    parser.add_argument("-n", "--lines", type=int, default=50)
    parser.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    options = parser.parse_args(arguments)
    folder = config.read().logs
    if options.process is None:
        for log in sorted(folder.glob("*.log")):
            sys.stdout.write(f"{log.stem:12} {log.stat().st_size:>9} bytes  {log}\n")
        return 0
    log = folder / f"{options.process}.log"
    if "/" in options.process or not log.exists():
        sys.stderr.write(f"berth: there is no log of {options.process}\n")
        return 1
    if options.follow:
        os.execvp("tail", ["tail", "-n", str(options.lines), "-F", str(log)])  # noqa: S606
    sys.stdout.write(logfiles.tail(log, options.lines) + "\n")
    return 0
