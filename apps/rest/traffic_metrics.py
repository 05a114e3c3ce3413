"""What the edges have served, for /metrics: counters by group, app and release.

They are the installation's, read from where all edges add to them, so every web process answers the same and none of
them counts. An app has those of its latest releases, and none after two days without a request.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.traffic import here
from scheduler.traffic.source import Totals, TrafficUnavailable

LABELS = ["group", "app", "release"]
PREFIX = "berth_app"


class Traffic(Collector):
    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(f"{PREFIX}_requests", "Requests by outcome", labels=[*LABELS, "outcome"])
        received = CounterMetricFamily(f"{PREFIX}_received_bytes", "Bytes from clients", labels=LABELS)
        sent = CounterMetricFamily(f"{PREFIX}_sent_bytes", "Bytes to clients", labels=LABELS)
        seconds = HistogramMetricFamily(f"{PREFIX}_answer_seconds", "Until the answer began", labels=LABELS)
        known = GaugeMetricFamily("berth_traffic_known", "Whether the figures of traffic could be read")
        try:
            totals = list(here.source().totals())
        except TrafficUnavailable:
            known.add_metric([], 0)
            yield known
            return
        known.add_metric([], 1)
        for each in totals:
            labels = [*each.app, str(each.release)]
            for outcome, count in each.outcomes.items():
                requests.add_metric([*labels, str(outcome)], count)
            received.add_metric(labels, each.bytes_in)
            sent.add_metric(labels, each.bytes_out)
            seconds.add_metric(labels, buckets(each), each.milliseconds / 1000)
        yield from (known, requests, received, sent, seconds)

    def describe(self) -> list[Metric]:
        return []  # registering must not ask for figures


def buckets(totals: Totals) -> list[tuple[str, float]]:
    """Answers by the seconds that they took at most, as Prometheus wants them: each with all before it."""
    found, so_far = [], 0
    for most in sorted(most for most in totals.within if most):
        so_far += totals.within[most]
        found.append((str(most / 1000), float(so_far)))
    return [*found, ("+Inf", float(so_far + totals.within.get(0, 0)))]
