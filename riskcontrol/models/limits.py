"""What payments may amount to, and how often they may come."""

from typing import ClassVar

import pghistory
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import KycLevel
from paycore.identifiers import PrefixedIdField
from paycore.money import Money


@pghistory.track()
class PaymentLimit(models.Model):
    """One bound. Every limit that matches a payment applies, but a merchant's own one replaces the general one of the
    same kind, counted for the same, in the same currency, for the same level and method."""

    class Kind(models.TextChoices):
        PAYMENT = "payment", _("Largest payment")
        DAY_SUM = "day_sum", _("Amount per day")
        MONTH_SUM = "month_sum", _("Amount per month")
        HOUR_COUNT = "hour_count", _("Payments per hour")
        DAY_COUNT = "day_count", _("Payments per day")

    class CountedPer(models.TextChoices):
        USER = "user", _("Payer")
        MERCHANT = "merchant", _("Merchant")

    id = PrefixedIdField(prefix="lim")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.PAYMENT)
    counted_per = models.CharField(
        _("counted for each"),
        max_length=8,
        choices=CountedPer,
        default=CountedPer.USER,
        help_text=_("Whose payments add up. Payers without an account are known to the merchant only: not counted."),
    )
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("merchant"),
        help_text=_("Empty: every merchant without a limit of its own."),
    )
    kyc_level = models.SmallIntegerField(
        _("identity level"),
        choices=KycLevel,
        null=True,
        blank=True,
        help_text=_("Empty: payers of any level, also those without an account."),
    )
    method = models.CharField(
        _("payment method"), max_length=40, blank=True, default="", help_text=_("Empty: every method.")
    )
    currency = models.CharField(
        _("currency"), max_length=3, blank=True, default="", help_text=_("Empty for a number of payments only.")
    )
    max_amount_minor = models.BigIntegerField(_("largest amount (minor units)"), null=True, blank=True)
    max_count = models.IntegerField(_("largest number of payments"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("payment limit")
        verbose_name_plural = _("payment limits")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "counted_per", "merchant", "kyc_level", "method", "currency"],
                name="payment_limit_unique",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["payment", "day_sum", "month_sum"],
                    max_amount_minor__gt=0,
                    max_count__isnull=True,
                    currency__regex="^[A-Z]{3}$",
                )
                | Q(kind__in=["hour_count", "day_count"], max_count__gt=0, max_amount_minor__isnull=True, currency=""),
                name="payment_limit_positive",
            ),
            models.CheckConstraint(condition=Q(counted_per__in=["user", "merchant"]), name="payment_limit_counted_per"),
            models.CheckConstraint(
                condition=Q(kyc_level__isnull=True) | Q(kyc_level__range=(0, 2)), name="payment_limit_level_known"
            ),
        ]

    def __str__(self) -> str:
        if self.max_amount_minor is not None:
            most = Money(self.max_amount_minor, self.currency).format(get_language() or "en")
            return f"{self.get_kind_display()}: {most}"
        return f"{self.get_kind_display()}: {self.max_count}"


class Usage(models.Model):
    """How much of a limit a payer or merchant has used in one period (UTC). Changed by SQL of ours only."""

    id = models.BigAutoField(primary_key=True)
    limit = models.ForeignKey(PaymentLimit, on_delete=models.PROTECT, related_name="usages", verbose_name=_("limit"))
    subject_id = models.CharField(_("whose"), max_length=40, db_collation="C")
    period_start = models.DateTimeField(_("period begins"))
    used_minor = models.BigIntegerField(_("amount used (minor units)"), default=0)
    used_count = models.IntegerField(_("payments"), default=0)

    class Meta:
        verbose_name = _("usage of a limit")
        verbose_name_plural = _("usages of limits")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["limit", "subject_id", "period_start"], name="usage_one_per_period"),
            models.CheckConstraint(condition=Q(used_minor__gte=0, used_count__gte=0), name="usage_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.limit_id} {self.subject_id} {self.period_start:%Y-%m-%d}"
