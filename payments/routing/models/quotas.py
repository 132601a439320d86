"""How much an account may take in a day or month, and what was taken of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from payments.routing.models.accounts import GatewayAccount


class GatewayQuota(models.Model):
    """A limit of one account. Without a largest amount or number it only counts (a rate by volume needs that)."""

    class Period(models.TextChoices):
        DAY = "day", _("A day")
        MONTH = "month", _("Month")

    id = PrefixedIdField(prefix="gwq")
    account = models.ForeignKey(
        GatewayAccount, on_delete=models.PROTECT, related_name="quotas", verbose_name=_("gateway account")
    )
    currency = models.CharField(_("currency"), max_length=3)
    period = models.CharField(_("period"), max_length=5, choices=Period)
    max_amount_minor = models.BigIntegerField(
        _("largest amount (minor units)"), null=True, blank=True, help_text=_("Empty: no limit.")
    )
    max_count = models.IntegerField(
        _("largest number of payments"), null=True, blank=True, help_text=_("Empty: no limit.")
    )

    class Meta:
        app_label = "payments"
        verbose_name = _("limit of an account")
        verbose_name_plural = _("limits of accounts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "currency", "period"], name="gateway_quota_once"),
            models.CheckConstraint(condition=Q(period__in=["day", "month"]), name="gateway_quota_period_known"),
            models.CheckConstraint(
                condition=(Q(max_amount_minor__isnull=True) | Q(max_amount_minor__gte=0))
                & (Q(max_count__isnull=True) | Q(max_count__gte=0)),
                name="gateway_quota_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} / {self.get_period_display()}"


class QuotaUse(models.Model):
    """What the payments of one day or month took of one limit, those that came to nothing given back."""

    id = models.BigAutoField(primary_key=True)
    quota = models.ForeignKey(GatewayQuota, on_delete=models.CASCADE, related_name="uses", verbose_name=_("limit"))
    period_start = models.DateField(_("first day"))
    amount_minor = models.BigIntegerField(_("amount (minor units)"), default=0)
    payments = models.IntegerField(_("payments"), default=0)

    class Meta:
        app_label = "payments"
        verbose_name = _("use of a limit")
        verbose_name_plural = _("uses of limits")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["quota", "period_start"], name="quota_use_once"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0, payments__gte=0), name="quota_use_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.quota_id} {self.period_start}"


class QuotaTake(models.Model):
    """What one payment took of one limit: so that it is given back once, and taken again once."""

    id = models.BigAutoField(primary_key=True)
    payment_id = models.CharField(_("payment"), max_length=40, db_collation="C")
    quota = models.ForeignKey(
        GatewayQuota, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("limit")
    )
    period_start = models.DateField(_("first day"))
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    is_given_back = models.BooleanField(_("given back"), default=False)
    taken_at = models.DateTimeField(_("taken at"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("payment's share of a limit")
        verbose_name_plural = _("payments' shares of limits")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment_id", "quota"], name="quota_take_once"),
        ]

    def __str__(self) -> str:
        return self.payment_id
