"""Memberships given away: gifts that somebody paid for, codes that staff made, and what became of them."""

from datetime import datetime
from typing import ClassVar, cast

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.catalogue import Plan, Price
from memberships.models.invoices import Invoice
from memberships.models.subscriptions import Grant, Period
from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField


class Gift(models.Model):
    """One interval of a price, paid by ``buyer`` for whoever redeems its code.

    ``next_attempt_at`` is when a ready gift's code must be made and sent; null once it was.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Waiting for payment")
        READY = "ready", _("Paid, not redeemed")
        REDEEMED = "redeemed", _("Redeemed")
        VOID = "void", _("Void")
        REVOKED = "revoked", _("Revoked")

    id = PrefixedIdField(prefix="gft")
    buyer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("buyer")
    )
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+", verbose_name=_("price"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN)
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="gift", verbose_name=_("invoice"))
    recipient_email = EncryptedTextField(verbose_name=_("recipient's e-mail address"), null=True, blank=True)
    recipient_index = models.BinaryField(_("recipient's e-mail index"), max_length=32, blank=True, editable=False)
    message = EncryptedTextField(verbose_name=_("message"), null=True, blank=True)
    language = models.CharField(_("language"), max_length=12, default="en")
    deliver_at = models.DateTimeField(_("to be delivered"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    ended_at = models.DateTimeField(_("void or revoked since"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("gift")
        verbose_name_plural = _("gifts")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(next_attempt_at__isnull=True) | Q(status="ready"), name="gift_only_ready_is_sent"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["buyer", "-id"], name="gift_by_buyer"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="gift_due"),
            models.Index(fields=["recipient_index"], condition=~Q(recipient_index=b""), name="gift_by_recipient"),
        ]
        triggers: ClassVar = [
            transitions.GIFT.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["buyer", "price", "invoice"]),
        ]

    def __str__(self) -> str:
        return self.id


class CodeBatch(models.Model):
    """Codes that staff made at once. ``secret`` is what they are derived from: it is wiped with the one export, and
    from then on nobody here can say what they were. A big one waits for a second person before any code is made."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits for a second person")
        MAKING = "making", _("Being made")
        READY = "ready", _("Ready")
        VOID = "void", _("Void")

    id = PrefixedIdField(prefix="cbt")
    name = models.CharField(_("name"), max_length=100)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+", verbose_name=_("plan"))
    interval = models.CharField(_("interval"), max_length=8, choices=Price.Interval, default=Price.Interval.MONTH)
    interval_count = models.PositiveSmallIntegerField(_("intervals"), default=1)
    count = models.PositiveIntegerField(_("codes"))
    uses_a_code = models.PositiveIntegerField(_("uses of each code"), default=1)
    expires_at = models.DateTimeField(_("expires"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    made = models.PositiveIntegerField(_("codes made so far"), default=0)
    secret = EncryptedTextField(verbose_name=_("secret"), null=True, blank=True, editable=False)
    created_by = models.CharField(_("created by"), max_length=40)
    needs_second_person = models.BooleanField(_("needs a second person"), default=False, db_default=False)
    approved_by = models.CharField(_("approved by"), max_length=40, blank=True, default="", db_default="")
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    exported_at = models.DateTimeField(_("exported"), null=True, blank=True)
    exported_by = models.CharField(_("exported by"), max_length=40, blank=True, default="")
    voided_at = models.DateTimeField(_("void since"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("batch of codes")
        verbose_name_plural = _("batches of codes")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(count__gte=1, count__lte=100_000, made__lte=F("count"), uses_a_code__gte=1,
                            interval_count__gte=1, interval_count__lte=366),
                name="code_batch_bounded",
            ),
            models.CheckConstraint(
                condition=Q(exported_at__isnull=True) | Q(secret__isnull=True), name="code_batch_exported_once"
            ),
            models.CheckConstraint(
                condition=Q(status="making", next_attempt_at__isnull=False)
                | ~Q(status="making") & Q(next_attempt_at__isnull=True),
                name="code_batch_is_worked_on",
            ),
            models.CheckConstraint(
                condition=Q(needs_second_person=False)
                | Q(status__in=["waiting", "void"])
                | ~Q(approved_by="") & ~Q(approved_by=F("created_by")),
                name="code_batch_second_person_agreed",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="making"), name="code_batch_due"),
        ]
        triggers: ClassVar = [
            transitions.CODE_BATCH.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=[
                    "plan",
                    "interval",
                    "interval_count",
                    "count",
                    "uses_a_code",
                    "created_by",
                    "needs_second_person",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def wanted(self) -> int:
        return self.count

    def finish(self, *, now: datetime) -> tuple[str, ...]:
        """As :class:`paycore.code_batches.CodeMill` asks for it."""
        transitions.CODE_BATCH.require(self.status, self.Status.READY)
        self.status, self.next_attempt_at = self.Status.READY, None
        return ("status",)


class RedeemCode(models.Model):
    """A code, known only by its keyed hash and its last four characters. Of a gift or of a batch."""

    id = PrefixedIdField(prefix="rdc")
    digest = models.BinaryField(_("keyed hash"), max_length=32, unique=True, editable=False)
    last_four = models.CharField(_("last four characters"), max_length=4)
    gift = models.ForeignKey(
        Gift, on_delete=models.PROTECT, null=True, blank=True, related_name="codes", verbose_name=_("gift")
    )
    batch = models.ForeignKey(
        CodeBatch, on_delete=models.PROTECT, null=True, blank=True, related_name="codes", verbose_name=_("batch")
    )
    uses_most = models.PositiveIntegerField(_("may be used"), default=1)
    uses = models.PositiveIntegerField(_("used"), default=0)
    voided_at = models.DateTimeField(_("void since"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("redeem code")
        verbose_name_plural = _("redeem codes")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(uses__lte=F("uses_most")), name="redeem_code_used_within"),
            models.CheckConstraint(
                condition=Q(gift__isnull=True, batch__isnull=False) | Q(gift__isnull=False, batch__isnull=True),
                name="redeem_code_of_gift_or_batch",
            ),
            models.UniqueConstraint(
                fields=["gift"], condition=Q(voided_at__isnull=True), name="redeem_code_one_good_a_gift"
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"…{self.last_four}"


class Redemption(models.Model):
    """Who used a code and what it gave: a period of the user's own subscription, or a grant."""

    id = PrefixedIdField(prefix="rdm")
    code = models.ForeignKey(
        RedeemCode, on_delete=models.PROTECT, related_name="redemptions", db_index=False, verbose_name=_("code")
    )
    batch = models.ForeignKey(
        CodeBatch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="redemptions",
        db_index=False,
        verbose_name=_("batch"),
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    grant = models.OneToOneField(
        Grant, on_delete=models.PROTECT, null=True, blank=True, related_name="redemption", verbose_name=_("grant")
    )
    period = models.OneToOneField(
        Period,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="redemption",
        verbose_name=pgettext_lazy("membership", "period"),
    )
    anchor_before_at = models.DateTimeField(_("anchor before"), null=True, blank=True)
    redeemed_at = models.DateTimeField(_("redeemed"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["code", "user"], name="redemption_once_a_code"),
            models.UniqueConstraint(
                fields=["batch", "user"], condition=Q(batch__isnull=False), name="redemption_once_a_batch"
            ),
            models.CheckConstraint(
                condition=Q(grant__isnull=True, period__isnull=False) | Q(grant__isnull=False, period__isnull=True),
                name="redemption_gave_something",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-id"], name="redemption_by_user")]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["code", "batch", "user", "redeemed_at"]),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def given(self) -> Grant | Period:
        return cast("Grant | Period", self.grant or self.period)
