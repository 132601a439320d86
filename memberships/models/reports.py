"""Figures about memberships, counted once and kept: charts read them, never the members."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships.models.catalogue import Plan
from paycore.money import Money


class MembershipMonth(models.Model):
    """One month (its first day, UTC) of one plan in one currency (empty: sold by a store, whose prices we do not know).

    ``members`` and ``mrr_minor`` are as of the month's last moment (or of ``counted_at`` in the running one): what runs
    and is paid, the price as per month of twelve equal ones. The movements since the month before add up:
    ``mrr_minor = before + new + grown - shrunk - lost``.
    """

    month = models.DateField(_("month"))
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+", verbose_name=_("plan"))
    members = models.IntegerField(pgettext_lazy("membership", "members"), default=0)
    trials = models.IntegerField(_("on trial"), default=0)
    mrr_minor = models.BigIntegerField(_("monthly recurring revenue (minor units)"), default=0)
    new_members = models.IntegerField(_("new members"), default=0)
    lost_members = models.IntegerField(_("lost members"), default=0)
    new_minor = models.BigIntegerField(_("new (minor units)"), default=0)
    grown_minor = models.BigIntegerField(_("grown (minor units)"), default=0)
    shrunk_minor = models.BigIntegerField(_("shrunk (minor units)"), default=0)
    lost_minor = models.BigIntegerField(_("lost (minor units)"), default=0)
    trials_ended = models.IntegerField(_("trials that ended"), default=0)
    trials_won = models.IntegerField(_("of them paid afterwards"), default=0)
    failed = models.IntegerField(_("periods whose first charge failed"), default=0)
    recovered = models.IntegerField(_("of them paid after all"), default=0)
    counted_at = models.DateTimeField(_("counted"), db_default=Now())

    class Meta:
        verbose_name = _("month of memberships")
        verbose_name_plural = _("memberships by month")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["month", "currency", "plan"], name="membership_month_once"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.plan_id} {self.currency}"

    @property
    def mrr(self) -> Money | None:
        return Money(self.mrr_minor, self.currency) if self.currency else None


class MembershipCohort(models.Model):
    """Of the ``started`` users whose first paid period began in the month ``cohort``, so many (``kept``) had a paid one
    at the end of ``month``."""

    cohort = models.DateField(_("first paid in"))
    month = models.DateField(_("month"))
    started = models.IntegerField(_("started"))
    kept = models.IntegerField(_("still there"))

    class Meta:
        verbose_name = _("cohort")
        verbose_name_plural = _("cohorts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["cohort", "month"], name="membership_cohort_once"),
        ]

    def __str__(self) -> str:
        return f"{self.cohort:%Y-%m} {self.month:%Y-%m}"
