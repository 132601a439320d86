"""Requests to be forgotten."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.leaving.transitions import ERASURE_STATES
from paycore.identifiers import PrefixedIdField


class Erasure(models.Model):
    """``telling``: everything is erased but the address in the last mail, which goes when that mail is out."""

    class Status(models.TextChoices):
        SCHEDULED = "scheduled", _("Scheduled")
        CANCELED = "canceled", _("Canceled")
        TELLING = "telling", _("Erased, last mail under way")
        DONE = "done", _("Erased")

    id = PrefixedIdField(prefix="ers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="erasures", verbose_name=_("user")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.SCHEDULED)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    due_at = models.DateTimeField(_("due"))
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    blocked_by = models.CharField(_("held up by"), max_length=60, blank=True, default="")
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)
    created_at = models.DateTimeField(_("requested at"), db_default=Now())

    class Meta:
        app_label = "accounts"
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=~Q(status="canceled"), name="erasure_one_per_user"),
            models.CheckConstraint(
                condition=Q(status__in=["scheduled", "telling"], next_attempt_at__isnull=False)
                | Q(status__in=["canceled", "done"], next_attempt_at__isnull=True),
                name="erasure_unfinished_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="erasure_due"),
        ]
        triggers: ClassVar = [
            ERASURE_STATES.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.id
