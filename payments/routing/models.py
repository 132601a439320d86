"""Where payments can be sent."""

from typing import ClassVar

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import EncryptedJSONField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money


@pghistory.track(exclude=["credentials"])
class GatewayAccount(models.Model):
    """Credentials at one provider, of the platform (no merchant) or of one merchant."""

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
    methods = ArrayField(models.CharField(max_length=24), verbose_name=_("methods"))
    currencies = ArrayField(
        models.CharField(max_length=3),
        default=list,
        blank=True,
        verbose_name=_("currencies"),
        help_text=_("Empty: every enabled currency."),
    )
    priority = models.SmallIntegerField(_("priority"), default=100, help_text=_("The lowest is tried first."))
    min_amount_minor = models.BigIntegerField(_("smallest amount (minor units)"), null=True, blank=True)
    max_amount_minor = models.BigIntegerField(_("largest amount (minor units)"), null=True, blank=True)
    fee_basis_points = models.IntegerField(_("fee (basis points)"), default=0)
    fee_fixed_minor = models.BigIntegerField(_("fixed fee (minor units)"), default=0)
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

    def expected_fee(self, amount: Money) -> Money:
        """What the provider will keep of ``amount`` by its schedule; never more than the amount."""
        share, _rest = amount.split_basis_points(self.fee_basis_points)
        return min(amount, share + Money(self.fee_fixed_minor, amount.currency))
