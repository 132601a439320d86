"""How much of a feature somebody used, and time travel in the sandbox."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from paycore.identifiers import PrefixedIdField


class UsageCounter(models.Model):
    """What one user used of one feature in one window (:mod:`memberships.entitlements.windows`). ``subject`` is the
    subscription or grant whose periods are the windows; empty when the calendar's are."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    feature = models.CharField(_("feature"), max_length=40, db_collation="C")
    subject = models.CharField(_("counts for"), max_length=40, blank=True, default="", db_collation="C")
    starts_at = models.DateTimeField(_("counts from"))
    ends_at = models.DateTimeField(_("starts anew"), null=True, blank=True)
    used = models.BigIntegerField(_("used"), default=0)
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name = _("usage counter")
        verbose_name_plural = _("usage counters")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "feature", "subject", "starts_at"], name="usage_counter_once"),
            models.CheckConstraint(condition=Q(used__gte=0), name="usage_counter_not_negative"),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")), name="usage_counter_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.feature}"


class ClockAdvance(models.Model):
    """One journey of a user's sandbox clock to ``target_at``, stop by stop (:mod:`memberships.sandbox.journeys`).
    ``reached_at`` is where the clock stands, ``steps`` how often something was due on the way."""

    class Status(models.TextChoices):
        RUNNING = "running", pgettext_lazy("membership", "Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    id = PrefixedIdField(prefix="adv")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("user")
    )
    status = models.CharField(_("status"), max_length=7, choices=Status, default=Status.RUNNING)
    started_from = models.DateTimeField(_("from"))
    target_at = models.DateTimeField(pgettext_lazy("membership", "to"))
    reached_at = models.DateTimeField(_("reached"))
    steps = models.PositiveIntegerField(_("steps"), default=0)
    waiting_since = models.DateTimeField(_("waits since"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.CharField(_("what failed"), max_length=300, blank=True, default="")
    next_attempt_at = models.DateTimeField(_("next look"), null=True, blank=True, db_default=Now())
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("journey of a sandbox clock")
        verbose_name_plural = _("journeys of sandbox clocks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=Q(status="running"), name="clock_advance_one_running"),
            models.CheckConstraint(condition=Q(target_at__gt=F("started_from")), name="clock_advance_forward"),
            models.CheckConstraint(
                condition=Q(status="running", next_attempt_at__isnull=False)
                | ~Q(status="running") & Q(next_attempt_at__isnull=True, finished_at__isnull=False),
                name="clock_advance_ends_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="clock_advance_by_user"),
            models.Index(fields=["next_attempt_at"], condition=Q(status="running"), name="clock_advance_due"),
        ]
        triggers: ClassVar = [transitions.CLOCK_ADVANCE.trigger()]

    def __str__(self) -> str:
        return self.id
