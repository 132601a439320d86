"""A draft rule set, tried on the payments of the past."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from payments.routing.models.rules import RoutingRuleSet
from payments.routing.transitions import TRIAL


class RoutingTrial(models.Model):
    """Worked on in slices: ``state`` is where it stands and what it counted so far."""

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    id = PrefixedIdField(prefix="rtr")
    rule_set = models.ForeignKey(
        RoutingRuleSet, on_delete=models.PROTECT, related_name="trials", verbose_name=_("routing rule set")
    )
    days = models.SmallIntegerField(_("days"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.RUNNING)
    looked_at = models.IntegerField(_("payments looked at"), default=0)
    until = models.DateTimeField(_("until"), db_default=Now())
    state = models.JSONField(_("what was counted"), default=dict)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("asked by")
    )
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, db_default=Now())
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("trial of a rule set")
        verbose_name_plural = _("trials of rule sets")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(days__range=(1, 90)), name="routing_trial_days_bounded"),
            models.CheckConstraint(
                condition=Q(status="running", next_attempt_at__isnull=False)
                | (~Q(status="running") & Q(next_attempt_at__isnull=True)),
                name="routing_trial_unfinished_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="running"), name="routing_trial_due"),
        ]
        triggers: ClassVar = [TRIAL.trigger()]

    def __str__(self) -> str:
        return self.id
