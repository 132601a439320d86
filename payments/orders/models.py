"""What a payer owes, the attempts to collect it, and money given back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.bulk import ReadInBulk
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from payments.gateways.contract import SavedToken
from payments.orders import transitions
from payments.orders.totals import total_as_read, total_before_payment

if TYPE_CHECKING:
    from payments.promotions.services import PlannedUse


def _count_versions() -> pgtrigger.Trigger:
    """Every change, whoever makes it, raises ``version``: the door compares it before it writes."""
    return pgtrigger.Trigger(
        name="count_versions",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func="NEW.version := OLD.version + 1; NEW.updated_at := clock_timestamp(); RETURN NEW;",
    )


class Order(ReadInBulk):
    """What a payer owes a merchant. ``merchant_order_number`` is the merchant's for ever; the total: see ``totals``."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        CLOSED = "closed", _("Closed")
        CANCELED = "canceled", _("Canceled")
        EXPIRED = "expired", _("Expired")

    id = PrefixedIdField(prefix="ord")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    merchant_order_number = models.CharField(_("merchant's order number"), max_length=64, db_collation="C")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("user"),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("total (minor units)"))
    discount_minor = models.BigIntegerField(_("discount (minor units)"), default=0)
    refunded_minor = models.BigIntegerField(_("refunded (minor units)"), default=0)
    description = models.CharField(_("description"), max_length=200)
    lines = models.JSONField(_("lines"), default=list)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    promotion_codes = models.CharField(_("promotion codes"), max_length=250, blank=True, default="", db_default="")
    """As they were taken, with a space between; :mod:`payments.promotions` knows what each gave."""
    takes_codes = models.BooleanField(_("takes a promotion code"), default=False, db_default=False)
    capture_method = models.CharField(
        _("capture"),
        max_length=9,
        choices=[("automatic", _("Automatic")), ("manual", _("Manual"))],
        default="automatic",
    )
    expires_at = models.DateTimeField(_("expires"))
    next_attempt_at = models.DateTimeField(_("next look"), null=True, blank=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.IntegerField(_("version"), default=1)

    planned_uses: "Sequence[PlannedUse]" = ()
    """Uses of promotions that a new order takes along into the database: no column."""

    class Meta:
        app_label = "payments"
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "merchant_order_number"], name="order_number_unique"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="order_amount_positive"),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0, refunded_minor__lte=F("amount_minor")), name="order_refund_bounded"
            ),
            models.CheckConstraint(
                condition=Q(status="open", next_attempt_at__isnull=False)
                | (~Q(status="open") & Q(next_attempt_at__isnull=True)),
                name="order_open_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["merchant", "-id"], name="order_by_merchant"),
            models.Index(fields=["user", "-id"], condition=Q(user__isnull=False), name="order_by_user"),
            models.Index(fields=["next_attempt_at"], condition=Q(status="open"), name="order_due"),
            models.Index(fields=["merchant_order_number"], name="order_by_number"),
        ]
        triggers: ClassVar = [
            transitions.ORDER.trigger(),
            _count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["merchant", "merchant_order_number", "user", "currency", "takes_codes"]
            ),
            total_before_payment(),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def has_codes(self) -> bool:
        return bool(self.promotion_codes)


class Payment(ReadInBulk):
    """One attempt to collect an order through one gateway account. ``id`` is our request number at the gateway."""

    saved_token: SavedToken | None = None
    """What the gateway wants to hear of the saved method, where it was read with many others; no column."""

    class Status(models.TextChoices):
        CREATED = "created", _("Waiting to be sent")
        SUBMITTING = "submitting", _("Outcome unknown")
        REQUIRES_ACTION = "requires_action", _("Waiting for the payer")
        PROCESSING = "processing", _("Processing")
        AUTHORIZED = "authorized", _("Authorized")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELED = "canceled", _("Canceled")
        EXPIRED = "expired", _("Expired")

    class Hold(models.TextChoices):
        DELAY = "delay", _("Delayed by risk control")
        REVIEW = "review", _("Waiting for a risk review")

    id = PrefixedIdField(prefix="pay")
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="payments", db_index=False, verbose_name=_("order")
    )
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    method = models.CharField(_("method"), max_length=24)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.CREATED)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    authorized_minor = models.BigIntegerField(_("authorized (minor units)"), default=0)
    captured_minor = models.BigIntegerField(_("captured (minor units)"), default=0)
    refunded_minor = models.BigIntegerField(_("refunded (minor units)"), default=0)
    refund_pending_minor = models.BigIntegerField(_("refunds under way (minor units)"), default=0)
    disputed_minor = models.BigIntegerField(_("taken back by disputes (minor units)"), default=0)
    fee_minor = models.BigIntegerField(_("gateway's fee (minor units)"), default=0)
    is_surplus = models.BooleanField(_("surplus"), default=False)
    gateway_reference = models.CharField(_("gateway's reference"), max_length=128, blank=True, default="")
    payment_method = models.ForeignKey(
        "payments.PaymentMethod",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
        db_index=False,
        verbose_name=_("saved payment method"),
    )
    is_off_session = models.BooleanField(_("charged unasked"), default=False)
    saves_method = models.BooleanField(_("saves the method"), default=False)
    payer_country = models.CharField(_("payer's country"), max_length=2, blank=True, default="")
    request_options = models.JSONField(_("request options"), default=dict, blank=True)
    return_url = models.CharField(_("return address"), max_length=500, blank=True, default="")
    action = models.JSONField(_("next action"), null=True, blank=True)
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    failure_message = models.CharField(_("failure message"), max_length=300, blank=True, default="")
    risk = models.JSONField(_("risk decision"), default=dict, blank=True)
    hold = models.CharField(_("held for"), max_length=8, choices=Hold, blank=True, default="")
    held_until = models.DateTimeField(_("held until"), null=True, blank=True)
    routing = models.JSONField(_("routing trace"), default=dict, blank=True)
    poll_attempts = models.SmallIntegerField(_("queries made"), default=0)
    next_attempt_at = models.DateTimeField(_("next query"), null=True, blank=True)
    succeeded_at = models.DateTimeField(_("succeeded at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.IntegerField(_("version"), default=1)

    class Meta:
        app_label = "payments"
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=["created", "submitting", "requires_action", "processing", "authorized"]),
                name="payment_one_live_attempt",
            ),
            models.UniqueConstraint(
                fields=["order"], condition=Q(status="succeeded", is_surplus=False), name="payment_one_success"
            ),
            models.UniqueConstraint(
                fields=["gateway_account", "gateway_reference"],
                condition=~Q(gateway_reference=""),
                name="payment_gateway_reference_unique",
            ),
            models.CheckConstraint(
                condition=Q(
                    refunded_minor__gte=0,
                    refund_pending_minor__gte=0,
                    captured_minor__gte=F("refunded_minor") + F("refund_pending_minor"),
                    captured_minor__lte=F("authorized_minor"),
                    authorized_minor__lte=F("amount_minor"),
                ),
                name="payment_amounts_nested",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["succeeded", "failed", "canceled", "expired"], next_attempt_at__isnull=True)
                | Q(status__in=["created", "submitting", "requires_action", "processing", "authorized"])
                & Q(next_attempt_at__isnull=False),
                name="payment_unfinished_is_looked_at",
            ),
            models.CheckConstraint(
                condition=Q(hold="") | Q(status="created", held_until__isnull=False), name="payment_held_is_not_sent"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["order", "-id"], name="payment_by_order"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="payment_due"),
            models.Index(
                fields=["payment_method", "-id"], condition=Q(payment_method__isnull=False), name="payment_by_method"
            ),
            models.Index(fields=["gateway_account", "method", "-id"], name="payment_by_account"),
        ]
        triggers: ClassVar = [
            transitions.PAYMENT.trigger(),
            total_as_read(),
            _count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["order", "gateway_account", "currency", "amount_minor"]),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def refundable(self) -> Money:
        """What can still be given back; a dispute has given back its part already."""
        gone = self.refunded_minor + self.refund_pending_minor + self.disputed_minor
        return Money(max(0, self.captured_minor - gone), self.currency)

    @property
    def is_final(self) -> bool:
        return self.status in transitions.PAYMENT.final


class Capture(models.Model):
    """The intent to take ``amount_minor`` of an authorized payment; ``is_final`` lets the rest go."""

    id = PrefixedIdField(prefix="cap")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="captures", verbose_name=_("payment"))
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    captured_before_minor = models.BigIntegerField(_("captured before (minor units)"))
    is_final = models.BooleanField(_("final"), default=True)
    status = models.CharField(_("status"), max_length=12, default="submitting")
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("capture")
        verbose_name_plural = _("captures")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment"], condition=Q(status="submitting"), name="capture_one_under_way"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="capture_amount_positive"),
            models.CheckConstraint(
                condition=Q(status="submitting", next_attempt_at__isnull=False)
                | (~Q(status="submitting") & Q(next_attempt_at__isnull=True)),
                name="capture_unfinished_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="submitting"), name="capture_due"),
        ]
        triggers: ClassVar = [transitions.CAPTURE.trigger()]

    def __str__(self) -> str:
        return self.id


class Refund(models.Model):
    """Money returned from one payment. ``id`` is our request number at the gateway. The amount is reserved on the
    payment from the request until the refund succeeded, failed or was rejected."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Waiting for review")
        APPROVED = "approved", _("Approved")
        SUBMITTING = "submitting", _("Sent, outcome unknown")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        REJECTED = "rejected", _("Rejected")

    id = PrefixedIdField(prefix="ref")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="refunds", db_index=False, verbose_name=_("payment")
    )
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.REQUESTED)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    reason = models.CharField(_("reason"), max_length=300)
    requested_by = models.CharField(_("requested by"), max_length=40)
    reviewed_by = models.CharField(_("reviewed by"), max_length=40, blank=True, default="")
    review_note = models.CharField(_("review note"), max_length=300, blank=True, default="")
    gateway_reference = models.CharField(_("gateway's reference"), max_length=128, blank=True, default="")
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    succeeded_at = models.DateTimeField(_("succeeded at"), null=True, blank=True)
    version = models.IntegerField(_("version"), default=1)

    class Meta:
        app_label = "payments"
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(
                condition=Q(status__in=["approved", "submitting"], next_attempt_at__isnull=False)
                | Q(status__in=["requested", "succeeded", "failed", "rejected"], next_attempt_at__isnull=True),
                name="refund_unfinished_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["payment", "-id"], name="refund_by_payment"),
            models.Index(fields=["id"], condition=Q(status="requested"), name="refund_to_review"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="refund_due"),
        ]
        triggers: ClassVar = [
            transitions.REFUND.trigger(),
            _count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["payment", "currency", "amount_minor", "requested_by"]),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Evidence(models.Model):
    """Everything anybody said about a payment or refund, applied or not. Append-only."""

    class Source(models.TextChoices):
        RESPONSE = "response", _("Gateway's answer")
        WEBHOOK = "webhook", _("Callback")
        QUERY = "query", _("Query")
        STATEMENT = "statement", _("Statement")
        OPERATOR = "operator", _("Operator")

    id = models.BigAutoField(primary_key=True)
    object_id = models.CharField(_("about"), max_length=40, db_collation="C")
    source = models.CharField(_("source"), max_length=10, choices=Source)
    outcome = models.CharField(_("outcome"), max_length=20)
    is_applied = models.BooleanField(_("changed something"))
    note = models.CharField(_("note"), max_length=60, blank=True, default="")
    details = models.JSONField(_("details"), default=dict)
    received_at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        indexes: ClassVar = [models.Index(fields=["object_id", "id"], name="evidence_by_object")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.object_id} {self.outcome}"

    def facts(self) -> dict[str, Any]:
        """The details without empty values, for people."""
        return {name: value for name, value in self.details.items() if value not in (None, "", {}, [])}
