"""Which Berth a database is of."""

from __future__ import annotations

from django.db import models


class Installation(models.Model):
    """The one row that says whose database this is: made with it, copied by backups, and never changed.

    `label` is what this Berth's things on engines are labelled with, `epoch` tells this database from any other that
    the same Berth may have had.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    label = models.CharField(max_length=6)
    epoch = models.CharField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_installation")]

    def __str__(self) -> str:
        return self.label
