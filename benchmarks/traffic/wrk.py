"""One run of wrk (Debian: package wrk), and what it measured."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass

SCRIPT = """
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("\\nresult %d %d %d %f %f\\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Result:
    requests: int
    per_second: float
    failed: int
    p50: float  # ms
    p99: float  # ms


def wrk(port: int, host: str, connections: int, seconds: int, *, fresh: bool) -> Result:
    """As many requests as `connections` get answered one after the other; each on a new one if `fresh`."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, "-H", f"Host: {host}"]
        argv += ["-H", "Connection: close"] if fresh else []
        said = subprocess.run([*argv, f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("result "))
    requests, micros, failed, p50, p99 = (float(word) for word in line.split()[1:])
    return Result(int(requests), requests / micros * 1e6, int(failed), p50 / 1000, p99 / 1000)
