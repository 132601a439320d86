"""When the money that was paid is earned."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from memberships.models.invoices import Invoice
from memberships.models.subscriptions import Subscription
from paycore.identifiers import PrefixedIdField


class RevenueSchedule(models.Model):
    """What of one paid invoice line is earned when: ``base_minor`` until ``base_at``, the rest evenly, by the second,
    until ``ends_at``. ``recognised_minor`` is in the books as revenue, ``total_minor - recognised_minor`` is in
    ``membership:deferred``. A held one (a gift not redeemed, a pause) earns nothing and waits for its span."""

    id = PrefixedIdField(prefix="rvs")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="schedules", db_index=False, verbose_name=_("invoice")
    )
    line = models.PositiveSmallIntegerField(_("line"))
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("subscription"),
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    plan = models.CharField(_("plan"), max_length=40, blank=True, default="", db_collation="C")
    currency = models.CharField(_("currency"), max_length=3)
    total_minor = models.BigIntegerField(_("total (minor units)"))
    recognised_minor = models.BigIntegerField(_("recognised (minor units)"), default=0)
    base_minor = models.BigIntegerField(_("earned until the base (minor units)"), default=0)
    base_at = models.DateTimeField(_("base"))
    ends_at = models.DateTimeField(_("ends"))
    is_held = models.BooleanField(_("held"), default=False)
    looked_at = models.DateTimeField(_("recognised until"))
    next_at = models.DateTimeField(_("next step"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("revenue schedule")
        verbose_name_plural = _("revenue schedules")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invoice", "line"], name="revenue_schedule_once"),
            models.CheckConstraint(
                condition=Q(
                    recognised_minor__gte=0,
                    base_minor__gte=0,
                    recognised_minor__lte=F("total_minor"),
                    base_minor__lte=F("total_minor"),
                    ends_at__gte=F("base_at"),
                ),
                name="revenue_schedule_nested",
            ),
            models.CheckConstraint(
                condition=Q(next_at__isnull=False) | Q(is_held=True) | Q(recognised_minor=F("total_minor")),
                name="revenue_schedule_goes_on",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="revenue_schedule_due"),
            models.Index(fields=["user"], condition=Q(next_at__isnull=False), name="revenue_schedule_by_user"),
            models.Index(
                fields=["subscription"],
                condition=Q(recognised_minor__lt=F("total_minor")),
                name="revenue_schedule_unearned",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["invoice", "line", "subscription", "user", "plan", "currency"]
            ),
        ]

    def __str__(self) -> str:
        return self.id


class RevenueRecognition(models.Model):
    """What became revenue in a month, by plan: one row a posting (``batch`` is its business id), month and plan.
    Negative for what a refund took back."""

    id = models.BigAutoField(primary_key=True)
    batch = models.CharField(_("posting"), max_length=40, db_collation="C")
    month = models.DateField(_("month"))
    plan = models.CharField(_("plan"), max_length=40, blank=True, default="", db_collation="C")
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("recognised revenue")
        verbose_name_plural = _("recognised revenue")
        indexes: ClassVar = [models.Index(fields=["month", "currency", "plan"], name="revenue_by_month")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.plan} {self.amount_minor} {self.currency}"
