"""Archives of what is kept about a person, sealed, for a day."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.personal_data.transitions import DATA_EXPORT_STATES
from paycore.encryption import EncryptedBinaryField
from paycore.identifiers import PrefixedIdField


class DataExport(models.Model):
    """One archive, asked for by the person. ``next_attempt_at``: when it is built (again), or deleted."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Being built")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        EXPIRED = "expired", _("Expired")

    id = PrefixedIdField(prefix="exp")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="data_exports", verbose_name=_("user")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    progress = models.SmallIntegerField(_("progress in percent"), default=0)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    size_bytes = models.BigIntegerField(_("size in bytes"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, db_default=Now())
    ready_at = models.DateTimeField(_("ready at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    created_at = models.DateTimeField(_("asked for at"), db_default=Now())

    class Meta:
        app_label = "accounts"
        verbose_name = _("data export")
        verbose_name_plural = _("data exports")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(status__in=["waiting", "running"]), name="data_export_one_running"
            ),
            models.CheckConstraint(condition=Q(progress__range=(0, 100)), name="data_export_progress_percent"),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running", "ready"], next_attempt_at__isnull=False)
                | Q(status__in=["failed", "expired"], next_attempt_at__isnull=True),
                name="data_export_unfinished_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="data_export_by_user"),
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="data_export_due"
            ),
        ]
        triggers: ClassVar = [DATA_EXPORT_STATES.trigger()]

    def __str__(self) -> str:
        return self.id


class DataExportPart(models.Model):
    """A piece of an archive, sealed, so that a download never holds the whole in memory."""

    id = models.BigAutoField(primary_key=True)
    export = models.ForeignKey(
        DataExport, on_delete=models.CASCADE, related_name="parts", db_index=False, verbose_name=_("data export")
    )
    number = models.IntegerField(pgettext_lazy("part", "number"))
    content = EncryptedBinaryField(editable=False, verbose_name=_("content"))

    class Meta:
        app_label = "accounts"
        verbose_name = _("part of a data export")
        verbose_name_plural = _("parts of data exports")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["export", "number"], name="data_export_part_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.export_id} {self.number}"
