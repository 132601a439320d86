"""What a member asked for that waits for money, and time that waits for the member."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from memberships.models.catalogue import PlanVersion, Price
from memberships.models.invoices import Invoice
from memberships.models.subscriptions import Period, Subscription
from paycore.identifiers import PrefixedIdField


class PlanChange(models.Model):
    """A change of plan, price or seats within a running period, as it was quoted: it happens at ``effective_at`` once
    its invoice is paid. ``period`` is the one that it cuts; ``code_use`` what a promotion code took off."""

    id = PrefixedIdField(prefix="chg")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="plan_changes", verbose_name=_("subscription")
    )
    period = models.ForeignKey(
        Period, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("period that is cut")
    )
    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, related_name="plan_change", verbose_name=_("invoice")
    )
    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("plan version")
    )
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("price")
    )
    quantity = models.PositiveIntegerField(_("seats"))
    effective_at = models.DateTimeField(_("takes effect"))
    ends_at = models.DateTimeField(_("new period ends"))
    anchor_at = models.DateTimeField(_("anchor"))
    code_use = models.OneToOneField(
        "payments.Redemption",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("use of a promotion"),
    )
    new_credit_minor = models.BigIntegerField(_("credit that is left (minor units)"), default=0)
    applied_at = models.DateTimeField(_("happened"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("change of plan")
        verbose_name_plural = _("changes of plan")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("effective_at"), quantity__gte=1, new_credit_minor__gte=0),
                name="plan_change_bounded",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", exclude=["applied_at"]),
        ]

    def __str__(self) -> str:
        return self.id


class Pause(models.Model):
    """Paid time that was put aside at ``paused_at``, and what it is worth: ``unused_minor`` with tax,
    ``unused_net_minor`` without. ``given_as`` is the period that gave it back."""

    id = PrefixedIdField(prefix="pau")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="pauses", db_index=False, verbose_name=_("subscription")
    )
    period = models.ForeignKey(
        Period, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("period that was cut")
    )
    paused_at = models.DateTimeField(_("paused"))
    unused_seconds = models.BigIntegerField(_("paid time left (seconds)"))
    unused_minor = models.BigIntegerField(_("worth with tax (minor units)"), default=0)
    unused_net_minor = models.BigIntegerField(_("worth without tax (minor units)"), default=0)
    is_trial = models.BooleanField(_("trial"), default=False)
    ended_at = models.DateTimeField(_("went on"), null=True, blank=True)
    given_as = models.OneToOneField(
        Period, on_delete=models.PROTECT, null=True, blank=True, related_name="from_pause", verbose_name=_("given as")
    )

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription"], condition=Q(ended_at__isnull=True), name="pause_one_open"),
            models.CheckConstraint(
                condition=Q(unused_seconds__gte=0, unused_minor__gte=0, unused_net_minor__gte=0), name="pause_bounded"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["subscription", "-id"], name="pause_by_subscription")]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", exclude=["ended_at", "given_as"]),
        ]

    def __str__(self) -> str:
        return self.id
