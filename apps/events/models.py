"""Events: the history of apps, nodes and groups."""

from django.conf import settings
from django.db import models


class Event(models.Model):
    """One line of history: who or what, when, why. Never holds a secret.

    `kind` is `<noun>.<verb in the past>` (`instance.started`, `app.scaled`, `node.lost`) and names the sentence in
    `apps.events.messages` that `params` fill; `reason` is a `scheduler.reasons.Reason` as a dict.
    """

    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=40)
    params = models.JSONField(default=dict)
    reason = models.JSONField(null=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    group = models.ForeignKey("groups.Group", on_delete=models.CASCADE, null=True, related_name="events")
    app = models.ForeignKey("applications.App", on_delete=models.SET_NULL, null=True, related_name="events")
    node = models.ForeignKey("nodes.Node", on_delete=models.SET_NULL, null=True, related_name="events")
    operation = models.ForeignKey("operations.Operation", on_delete=models.SET_NULL, null=True, related_name="events")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["group", "-id"], name="event_of_group"),
            models.Index(fields=["app", "-id"], name="event_of_app"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.params}"
