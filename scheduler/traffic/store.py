"""Traffic figures in Redis: what edges write, and how it is read. All of it ends by itself and may be lost at any time.

    berth:traffic:10:<group>/<app>:<begin>    figures of 10 s each, a key for 10 minutes, kept for 1 h
    berth:traffic:300:<group>/<app>:<begin>   figures of 5 min each, a key for 6 h, kept for 1 day
    berth:traffic:total:<group>/<app>         counters that only rise; kept for 2 days after the last request
    berth:traffic:apps                        <group>/<app> by the time of its last request, of those that have totals
    berth:traffic:written:<batch>             a batch whose counters are in the totals already; 10 min

The first two are hashes from `<step's begin>/<release>/<edge>.<run>` to an edge's figures so far; an edge's run has
fields of its own and writes them anew with all that it knows, so writing twice does no harm. The totals have a field
`<release>/<counter>`; a batch is added to it once, whoever may have heard of it or not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import redis

from scheduler.traffic.batch import COARSE, FINE, Batch, Scale
from scheduler.traffic.figures import NOTHING, App, Figures, Outcome, bound, total
from scheduler.traffic.source import Point, Totals, TrafficUnavailable

PREFIX = "berth:traffic:"
APPS = f"{PREFIX}apps"
TIMEOUT = 1.0  # seconds
LATENCY_BOUNDS = tuple(1 << power for power in range(16))  # milliseconds, of the totals: ends of bins as well
MOST_COUNTERS = 400  # of an app; then those of its oldest releases go
KEPT_RELEASES = 5
KEPT_TOTALS = 2 * 86400  # seconds
ROOM = 0.5  # of Redis' memory, which has more important things to keep
BATCH = 200  # keys written in one go

ADD = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', 600) then return 0 end
for _, app in ipairs(cjson.decode(ARGV[1])) do
  for field, count in pairs(app[2]) do redis.call('HINCRBY', app[1], field, count) end
  redis.call('EXPIRE', app[1], ARGV[2])
  redis.call('ZADD', KEYS[2], ARGV[5], app[3])
  if redis.call('HLEN', app[1]) > tonumber(ARGV[3]) then
    local numbers, seen = {}, {}
    for _, field in ipairs(redis.call('HKEYS', app[1])) do
      local number = tonumber(string.match(field, '^%d+'))
      if not seen[number] then seen[number] = true; table.insert(numbers, number) end
    end
    table.sort(numbers, function(a, b) return a > b end)
    local kept = {[0] = true}
    for at = 1, tonumber(ARGV[4]) do if numbers[at] then kept[numbers[at]] = true end end
    for _, field in ipairs(redis.call('HKEYS', app[1])) do
      if not kept[tonumber(string.match(field, '^%d+'))] then redis.call('HDEL', app[1], field) end
    end
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[5] - ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
"""


class RedisTraffic:
    """Raises `TrafficUnavailable`, after `TIMEOUT` seconds at the latest."""

    def __init__(self, url: str, now: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True
        )
        self._now = now

    def write(self, source: str, batch: Batch) -> bool:
        """Have all of it written by `source`, an edge in one run; False: there is no room for it, nothing was."""
        try:
            memory = self._redis.info("memory")
            most = memory["maxmemory"]
            if most and memory["used_memory"] > most * ROOM:
                return False
            by_key: dict[str, dict[str, str]] = {}
            ends: dict[str, int] = {}
            for entry in batch.entries:
                key = step_key(entry.scale, entry.app, entry.begin)
                by_key.setdefault(key, {})[f"{entry.begin}/{entry.release}/{source}"] = dump(entry.figures)
                ends[key] = entry.begin // entry.scale.key * entry.scale.key + entry.scale.key + entry.scale.kept
            for part in _parts(by_key.items()):
                pipeline = self._redis.pipeline(transaction=False)
                for key, fields in part:
                    pipeline.hset(key, mapping=fields)
                    pipeline.expireat(key, ends[key])
                pipeline.execute()
            for number, added in enumerate(_parts(batch.added.items())):
                told = json.dumps(
                    [[total_key(app), counters(release, figures), "/".join(app)] for (app, release), figures in added]
                )
                name = f"{PREFIX}written:{batch.name}.{number}"
                more = (KEPT_TOTALS, MOST_COUNTERS, KEPT_RELEASES, int(self._now()))
                self._redis.eval(ADD, 2, name, APPS, told, *more)
        except redis.RedisError as error:
            raise TrafficUnavailable(str(error)) from error
        return True

    def window(self, app: App, release: int | None, seconds: float) -> Figures:
        """See `Source`."""
        points = self.series(app, seconds)
        found = [each for point in points for number, each in point.releases.items() if release in (None, number)]
        last = points[-1] if points and points[-1].begin >= self._now() - 2 * FINE.step else None
        now = [each for number, each in last.releases.items() if release in (None, number)] if last else []
        return replace(total(found), sessions=sum(each.sessions for each in now))

    def series(self, app: App, seconds: float, until: float | None = None) -> list[Point]:
        """See `Source`."""
        end = self._now() if until is None else until
        scale = FINE if end - seconds >= self._now() - FINE.kept else COARSE
        first, last = scale.begin(end - seconds), scale.begin(end)
        names = sorted({step_key(scale, app, begin) for begin in range(first, last + 1, scale.step)})
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for name in names:
                pipeline.hgetall(name)
            answers = pipeline.execute()
        except redis.RedisError as error:
            raise TrafficUnavailable(str(error)) from error
        parts: dict[int, dict[int, list[Figures]]] = {}
        for answer in answers:
            for field, text in answer.items():
                begin, release, _source = field.split("/", 2)
                if first <= int(begin) <= last:
                    parts.setdefault(int(begin), {}).setdefault(int(release), []).append(load(text))
        return [
            Point(begin, scale.step, {release: total(of) for release, of in sorted(parts[begin].items())})
            for begin in sorted(parts)
        ]

    def totals(self) -> Iterator[Totals]:
        """See `Source`."""
        try:
            names = [tuple(name.split("/")) for name in self._redis.zrange(APPS, 0, -1)]
        except redis.RedisError as error:
            raise TrafficUnavailable(str(error)) from error
        for part in _parts(sorted(names)):
            try:
                pipeline = self._redis.pipeline(transaction=False)
                for app in part:
                    pipeline.hgetall(total_key(app))
                answers = pipeline.execute()
            except redis.RedisError as error:
                raise TrafficUnavailable(str(error)) from error
            for app, answer in zip(part, answers, strict=True):
                by_release: dict[int, dict[str, int]] = {}
                for field, count in answer.items():
                    release, _, counter = field.partition("/")
                    by_release.setdefault(int(release), {})[counter] = int(count)
                for release, counted in sorted(by_release.items()):
                    yield _totals(app, release, counted)


def step_key(scale: Scale, app: App, begin: int) -> str:
    return f"{PREFIX}{scale.step}:{'/'.join(app)}:{begin // scale.key * scale.key}"


def total_key(app: App) -> str:
    return f"{PREFIX}total:{'/'.join(app)}"


def counters(release: int, figures: Figures) -> dict[str, str]:
    """What the figures add to the totals, by field; as text, since Lua's numbers are not whole."""
    added = {f"outcome/{outcome}": count for outcome, count in figures.outcomes.items()}
    added |= {"in": figures.bytes_in, "out": figures.bytes_out, "milliseconds": figures.milliseconds}
    for number, count in figures.latencies.items():
        within = next((most for most in LATENCY_BOUNDS if bound(number + 1) <= most), 0)
        added[f"within/{within}"] = added.get(f"within/{within}", 0) + count
    return {f"{release}/{counter}": str(count) for counter, count in added.items() if count}


def _totals(app: App, release: int, counted: Mapping[str, int]) -> Totals:
    outcomes = {outcome: counted.get(f"outcome/{outcome}", 0) for outcome in Outcome}
    within = {most: counted.get(f"within/{most}", 0) for most in (*LATENCY_BOUNDS, 0)}
    more = (counted.get("in", 0), counted.get("out", 0), counted.get("milliseconds", 0))
    return Totals(app, release, {each: count for each, count in outcomes.items() if count}, *more, within)


def dump(figures: Figures) -> str:
    """As short as JSON can be: there is one of these every 10 s."""
    value = {
        "o": figures.outcomes,
        "i": figures.bytes_in,
        "b": figures.bytes_out,
        "l": figures.latencies,
        "m": figures.milliseconds,
        "s": figures.sessions,
    }
    return json.dumps({name: of for name, of in value.items() if of}, separators=(",", ":"))


def load(text: str) -> Figures:
    """What cannot be read says nothing: it is some other version's."""
    try:
        value = json.loads(text)
        outcomes = {Outcome(name): count for name, count in value.get("o", {}).items()}
        latencies = {int(number): count for number, count in value.get("l", {}).items()}
        numbers = [int(value.get(name, 0)) for name in ("i", "b", "m", "s")]
    except (ValueError, AttributeError, TypeError):
        return NOTHING
    bytes_in, bytes_out, milliseconds, sessions = numbers
    return Figures(outcomes, bytes_in, bytes_out, latencies, milliseconds, sessions)


def _parts(of: Iterable[Any]) -> Iterator[list[Any]]:
    items = list(of)
    for at in range(0, len(items), BATCH):
        yield items[at : at + BATCH]
