"""How a person can be charged again: tokens at a gateway (never card numbers), and what they agreed to."""

from datetime import datetime
from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.bulk import ReadInBulk
from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from payments.methods import transitions


class GatewayCustomer(models.Model):
    """Who a user is at one gateway account."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, verbose_name=_("user"))
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    reference = models.CharField(_("gateway's reference"), max_length=128)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("customer at a gateway")
        verbose_name_plural = _("customers at gateways")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "gateway_account"], name="gateway_customer_once"),
        ]

    def __str__(self) -> str:
        return self.reference


class PaymentMethod(ReadInBulk):
    """One saved method of one user at one gateway account. ``id`` is our number for it at the gateway."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting for the payer")
        ACTIVE = "active", _("Ready")
        FAILED = "failed", _("Not saved")
        REMOVED = "removed", _("Removed")

    id = PrefixedIdField(prefix="pm")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    method = models.CharField(_("method"), max_length=24)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.PENDING)
    token = EncryptedTextField(verbose_name=_("token"), null=True, blank=True)
    token_index = models.BinaryField(_("token index"), max_length=32, null=True, blank=True)
    """A blind index: the same token of an account is one row."""
    customer_reference = models.CharField(_("gateway's customer"), max_length=128, blank=True, default="")
    gateway_reference = models.CharField(_("gateway's reference"), max_length=128, blank=True, default="")
    brand = models.CharField(_("brand"), max_length=24, blank=True, default="")
    last4 = models.CharField(_("last four digits"), max_length=4, blank=True, default="")
    expiry_month = models.SmallIntegerField(_("expiry month"), null=True, blank=True)
    expiry_year = models.SmallIntegerField(_("expiry year"), null=True, blank=True)
    fingerprint = models.BinaryField(_("fingerprint"), max_length=32, null=True, blank=True)
    """A blind index of what the provider gives to tell two saved cards of one number."""
    country = models.CharField(_("country"), max_length=2, blank=True, default="")
    label = models.CharField(_("label"), max_length=80, blank=True, default="")
    is_default = models.BooleanField(_("default"), default=False)
    action = models.JSONField(_("next action"), null=True, blank=True)
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    poll_attempts = models.SmallIntegerField(_("queries made"), default=0)
    next_attempt_at = models.DateTimeField(_("next look"), null=True, blank=True)
    expiry_reminded_for = models.DateField(_("reminded of expiry in"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("saved before as"),
    )

    class Meta:
        app_label = "payments"
        verbose_name = _("saved payment method")
        verbose_name_plural = _("saved payment methods")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=Q(is_default=True), name="payment_method_one_default"),
            models.UniqueConstraint(
                fields=["gateway_account", "user", "token_index"],
                condition=Q(status="active"),
                name="payment_method_token_once",
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(status="active"), name="payment_method_default_is_active"
            ),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(token__isnull=False), name="payment_method_active_has_token"
            ),
            models.CheckConstraint(
                condition=~Q(status="removed")
                | Q(token__isnull=True, removed_at__isnull=False)
                | Q(next_attempt_at__isnull=False),
                name="payment_method_removed_is_forgotten",
            ),
            models.CheckConstraint(condition=Q(last4="") | Q(last4__regex="^[0-9]{4}$"), name="payment_method_last4"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="payment_method_by_user"),
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="payment_method_due"
            ),
        ]
        triggers: ClassVar = [
            transitions.PAYMENT_METHOD.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["user", "gateway_account", "method"]),
        ]

    def __str__(self) -> str:
        return self.id


class Mandate(ReadInBulk):
    """What a payer agreed that may be taken unasked: when, from which device, by which text. Required for every charge
    that nobody is there to confirm."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting for the payer")
        ACTIVE = "active", _("In force")
        ENDED = "ended", _("Ended")

    id = PrefixedIdField(prefix="man")
    payment_method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, related_name="mandates", verbose_name=_("saved payment method")
    )
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, verbose_name=_("who may charge")
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.PENDING)
    text_version = models.CharField(_("version of the text"), max_length=40)
    language = models.CharField(_("language"), max_length=10)
    accepted_at = models.DateTimeField(_("accepted"))
    ip_address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    device_id = models.CharField(_("device"), max_length=64, blank=True, default="")
    user_agent = models.CharField(_("browser or app"), max_length=200, blank=True, default="")
    max_amount_minor = models.BigIntegerField(_("at most each time (minor units)"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    interval = models.CharField(_("interval"), max_length=5, blank=True, default="")
    interval_count = models.SmallIntegerField(_("intervals"), default=1)
    first_charge_at = models.DateTimeField(_("first charge"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_by = models.CharField(_("ended by"), max_length=40, blank=True, default="")
    end_reason = models.CharField(_("why it ended"), max_length=300, blank=True, default="")

    class Meta:
        app_label = "payments"
        verbose_name = _("mandate")
        verbose_name_plural = _("mandates")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status="ended", ended_at__isnull=False) | ~Q(status="ended") & Q(ended_at__isnull=True),
                name="mandate_end_is_dated",
            ),
            models.CheckConstraint(
                condition=Q(max_amount_minor__isnull=True) | Q(max_amount_minor__gt=0) & ~Q(currency=""),
                name="mandate_amount_has_currency",
            ),
            models.UniqueConstraint(
                fields=["payment_method", "merchant"], condition=Q(status="active"), name="mandate_one_in_force"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["merchant"], condition=Q(status="active"), name="mandate_by_merchant"),
        ]
        triggers: ClassVar = [
            transitions.MANDATE.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=[
                    "payment_method",
                    "merchant",
                    "text_version",
                    "accepted_at",
                    "max_amount_minor",
                    "currency",
                    "interval",
                    "interval_count",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.id

    def allows(self, amount: Money, *, now: datetime) -> bool:
        """Whether so much may be taken at ``now`` without asking; how often, is for the one who charges to keep."""
        if self.first_charge_at is not None and now < self.first_charge_at:
            return False
        return self.max_amount_minor is None or (
            amount.currency == self.currency and amount.minor <= self.max_amount_minor
        )
