"""What the API remembers of requests."""

from django.conf import settings
from django.db import models


class IdempotencyKey(models.Model):
    """A POST that named a key, and its answer once there is one (`apps.rest.idempotency`).

    Without `status` the request is under way, or its process died before it could answer.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)  # SHA-256 of method, address and body
    status = models.PositiveSmallIntegerField(null=True)
    location = models.CharField(max_length=400, blank=True)
    body = models.BinaryField(default=bytes)  # encrypted: the answer to a new token holds the token
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once_a_user")]

    def __str__(self) -> str:
        return self.key
