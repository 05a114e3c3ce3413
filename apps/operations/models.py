"""Operations: what became of each change request."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from scheduler.model import OperationKind, OperationStatus

ACTIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)


class Operation(models.Model):
    """One change request: its steps, progress and outcome.

    Names are kept beside the keys, since the history outlives the app. `steps` is a list of
    `{"name", "status", "started_at", "ended_at", "done", "of"}` in order; `error`, for one that failed, is
    `{"step", "reason", "instance", "exit_code", "memory_limit", "probes", "logs"}`. While it is under way, `waits_for`
    is a reason as a dict, with the placement's `shortages` where it is room.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    group = models.ForeignKey("groups.Group", on_delete=models.SET_NULL, null=True, related_name="operations")
    app = models.ForeignKey("applications.App", on_delete=models.SET_NULL, null=True, related_name="operations")
    group_name = models.CharField(max_length=40)
    app_name = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in OperationKind])
    status = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in OperationStatus], default=OperationStatus.PENDING
    )
    release = models.PositiveIntegerField(null=True)  # the release number that it made, if it made one
    steps = models.JSONField(default=list)
    error = models.JSONField(null=True)
    waits_for = models.JSONField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["app"], condition=Q(status__in=[s.value for s in ACTIVE]), name="one_active_operation_an_app"
            ),
        ]
        indexes = [
            models.Index(fields=["app", "-created_at"], name="operation_of_app"),
            models.Index(fields=["group", "-created_at"], name="operation_of_group"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.group_name}/{self.app_name}"

    @property
    def ended(self) -> bool:
        return OperationStatus(self.status).ended
