"""The steps of an operation that ends: none of them goes on, and none that was not done is called done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from scheduler.model import OperationStatus

Step = dict[str, Any]


def close(steps: Iterable[Step], status: OperationStatus, now: datetime, failed: str = "") -> list[Step]:
    """The steps of one that ended as `status`; `failed` names the step that it failed by.

    What was under way is unfinished, what was not begun is skipped. Of one that succeeded all is done.
    """
    return [_close(step, status, now.isoformat(), failed) for step in steps]


def _close(step: Step, status: OperationStatus, now: str, failed: str) -> Step:
    if status is OperationStatus.SUCCEEDED:
        if step["ended_at"]:
            return step
        return {**step, "status": "done", "done": step["of"], "started_at": step["started_at"] or now, "ended_at": now}
    if step["name"] == failed:
        return {**step, "status": "failed", "ended_at": now}
    if step["status"] == "running":
        return {**step, "status": "unfinished", "ended_at": now}
    return {**step, "status": "skipped"} if step["status"] == "waiting" else step
