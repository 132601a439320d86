"""Where payments can be sent, and what that costs."""

from typing import ClassVar
from zoneinfo import ZoneInfo

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.clock import now as clock_now
from paycore.encryption import EncryptedJSONField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from payments.routing.fees import FeeSchedule, fee_minor


def check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise ValidationError(_("There is no such time zone.")) from error


@pghistory.track(exclude=["credentials"])
class GatewayAccount(models.Model):
    """Credentials at one provider, of the platform (no merchant) or of one merchant."""

    schedule: FeeSchedule | None = None
    """Of an account that routing handed out: its rates. Without it the two numbers below hold."""

    id = PrefixedIdField(prefix="gwa")
    name = models.CharField(_("name"), max_length=80)
    gateway = models.CharField(_("gateway"), max_length=24)
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("merchant"),
        help_text=_("Empty: any merchant's payments may use it."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    base_url = models.URLField(_("provider's address"))
    credentials = EncryptedJSONField(verbose_name=_("credentials"), help_text=_("Written, never shown."))
    settings = models.JSONField(_("settings"), default=dict, blank=True, help_text=_("What is no secret."))
    methods = ArrayField(models.CharField(max_length=24), verbose_name=_("methods"))
    currencies = ArrayField(
        models.CharField(max_length=3),
        default=list,
        blank=True,
        verbose_name=_("currencies"),
        help_text=_("Empty: every enabled currency."),
    )
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        verbose_name=_("payers' countries"),
        help_text=_("Empty: every country."),
    )
    priority = models.SmallIntegerField(_("priority"), default=100, help_text=_("The lowest is tried first."))
    min_amount_minor = models.BigIntegerField(_("smallest amount (minor units)"), null=True, blank=True)
    max_amount_minor = models.BigIntegerField(_("largest amount (minor units)"), null=True, blank=True)
    fee_basis_points = models.IntegerField(_("fee (basis points)"), default=0)
    fee_fixed_minor = models.BigIntegerField(_("fixed fee (minor units)"), default=0)
    time_zone = models.CharField(
        _("time zone"),
        max_length=40,
        default="UTC",
        validators=[check_time_zone],
        help_text=_("Whose days and months its limits are counted by."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("gateway account")
        verbose_name_plural = _("gateway accounts")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(fee_basis_points__gte=0, fee_basis_points__lte=10_000, fee_fixed_minor__gte=0),
                name="gateway_account_fee_sane",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def expected_fee(self, amount: Money, *, method: str = "", country: str = "") -> Money:
        """What the provider will keep of ``amount`` by its schedule; never more than the amount."""
        if self.schedule is not None:
            rate = self.schedule.rate(method=method, country=country, currency=amount.currency, now=clock_now())
            if rate is not None:
                return rate.of(amount)
        kept = fee_minor(amount.minor, basis_points=self.fee_basis_points, fixed_minor=self.fee_fixed_minor)
        return Money(kept, amount.currency)


class GatewayFee(models.Model):
    """One rate of an account's schedule. The most precise one that holds is taken; where none does, the account's own
    two numbers."""

    id = PrefixedIdField(prefix="gwf")
    account = models.ForeignKey(
        GatewayAccount, on_delete=models.CASCADE, related_name="fees", verbose_name=_("gateway account")
    )
    method = models.CharField(_("method"), max_length=24, blank=True, default="", help_text=_("Empty: any."))
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        verbose_name=_("payers' countries"),
        help_text=_("Empty: any."),
    )
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        default="",
        help_text=_("Empty: any; a fixed part or a volume needs one."),
    )
    basis_points = models.IntegerField(_("fee (basis points)"), default=0)
    fixed_minor = models.BigIntegerField(_("fixed fee (minor units)"), default=0)
    from_volume_minor = models.BigIntegerField(
        _("from a month's volume of (minor units)"),
        default=0,
        help_text=_("Counted per calendar month of the account."),
    )
    effective_from = models.DateTimeField(_("holds from"), null=True, blank=True, help_text=_("Empty: always."))

    class Meta:
        app_label = "payments"
        verbose_name = _("provider's rate")
        verbose_name_plural = _("provider's rates")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(basis_points__range=(0, 10_000), fixed_minor__gte=0, from_volume_minor__gte=0),
                name="gateway_fee_sane",
            ),
            models.CheckConstraint(
                condition=~Q(currency="") | Q(fixed_minor=0, from_volume_minor=0), name="gateway_fee_has_currency"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.basis_points} bp + {self.fixed_minor}"
