"""Who used what, for what; and what the platform paid for it. Terms never change; states follow their table."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from payments.promotions.models.promotions import Promotion, PromotionCode
from payments.promotions.transitions import REDEMPTION


class Redemption(models.Model):
    """One use of a code for ``subject_id`` (an order, a subscription). ``amount_minor`` is what the first charge was
    lowered by; ``given_minor`` what all of them were. ``periods_left`` None: every period that comes. ``withdrawn_at``:
    the payer took the code off again before paying, so that no late payment brings it back."""

    class Status(models.TextChoices):
        TAKEN = "taken", _("Taken")
        USED = "used", _("Used")
        RELEASED = "released", _("Given back")

    id = PrefixedIdField(prefix="red")
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, db_index=False, related_name="redemptions", verbose_name=_("promotion")
    )
    code = models.ForeignKey(
        PromotionCode, on_delete=models.PROTECT, db_index=False, related_name="redemptions", verbose_name=_("code")
    )
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("seller")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("user"),
    )
    subject_id = models.CharField(_("for"), max_length=40, db_collation="C")
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.TAKEN)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("taken off first (minor units)"))
    reserved_minor = models.BigIntegerField(_("taken of the budget (minor units)"), default=0)
    given_minor = models.BigIntegerField(_("taken off in all (minor units)"), default=0)
    free_days = models.PositiveSmallIntegerField(_("free days"), default=0)
    periods_left = models.PositiveSmallIntegerField(_("periods left"), null=True, blank=True)
    periods_used = models.PositiveSmallIntegerField(_("periods used"), default=0)
    funded_by = models.CharField(_("paid by"), max_length=8, choices=Promotion.FundedBy)
    is_suspect = models.BooleanField(_("suspect"), default=False)
    day = models.DateField(_("day"))
    taken_at = models.DateTimeField(_("taken"), db_default=Now())
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    released_at = models.DateTimeField(_("given back"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(_("taken off again"), null=True, blank=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("use of a promotion")
        verbose_name_plural = _("uses of promotions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject_id", "promotion"],
                condition=~Q(status="released"),
                name="promotion_use_once_a_subject",
            ),
            models.UniqueConstraint(
                fields=["subject_id"],
                condition=~Q(status="released") & (Q(periods_left__isnull=True) | Q(periods_left__gt=0)),
                name="promotion_use_one_goes_on",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gte=0, given_minor__gte=0, reserved_minor__gte=0),
                name="promotion_use_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(status="released", released_at__isnull=False) | ~Q(status="released"),
                name="promotion_use_release_is_dated",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | Q(status="released"),
                name="promotion_use_withdrawn_is_released",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["promotion", "-id"], name="promotion_use_by_promotion"),
            models.Index(fields=["code", "-id"], name="promotion_use_by_code"),
            models.Index(fields=["merchant", "-id"], name="promotion_use_by_merchant"),
            models.Index(fields=["user", "-id"], condition=Q(user__isnull=False), name="promotion_use_by_user"),
            models.Index(fields=["subject_id"], name="promotion_use_by_subject"),
        ]
        triggers: ClassVar = [
            REDEMPTION.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=[
                    "promotion",
                    "code",
                    "merchant",
                    "user",
                    "subject_id",
                    "currency",
                    "amount_minor",
                    "reserved_minor",
                    "free_days",
                    "funded_by",
                    "day",
                    "taken_at",
                ],
            ),
            pgtrigger.Protect(
                name="periods_only_go_by",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__periods_used__lt=pgtrigger.F("old__periods_used"))
                | pgtrigger.Q(new__given_minor__lt=pgtrigger.F("old__given_minor")),
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def given(self) -> Money:
        return Money(self.given_minor, self.currency)


class RedemptionPerson(models.Model):
    """What one use is recognised by: the account, the mail box, the card. Each as a keyed hash, never as it is."""

    class Kind(models.TextChoices):
        ACCOUNT = "account", _("Account")
        MAIL = "mail", _("Mail box")
        CARD = "card", _("Card")

    id = models.BigAutoField(primary_key=True)
    redemption = models.ForeignKey(
        Redemption, on_delete=models.PROTECT, related_name="persons", verbose_name=_("use of a promotion")
    )
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("promotion")
    )
    kind = models.CharField(_("kind"), max_length=7, choices=Kind)
    key = models.BinaryField(_("keyed hash"), max_length=32)

    class Meta:
        app_label = "payments"
        verbose_name = _("person behind a use")
        verbose_name_plural = _("persons behind uses")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["promotion", "key", "redemption"], name="promotion_use_person_once"),
        ]

    def __str__(self) -> str:
        return f"{self.redemption_id} {self.kind}"


class KnownCard(models.Model):
    """A card that a user has saved, by the keyed hash that saved methods carry: the same for the same card."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("user")
    )
    key = models.BinaryField(_("keyed hash"), max_length=32)
    seen_at = models.DateTimeField(_("seen"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("known card")
        verbose_name_plural = _("known cards")
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "key"], name="known_card_once")]

    def __str__(self) -> str:
        return str(self.user_id)


class FundingEntry(models.Model):
    """What the platform paid a merchant for a use, or took back with a refund (negative): one posting each."""

    id = models.BigAutoField(primary_key=True)
    redemption = models.ForeignKey(
        Redemption, on_delete=models.PROTECT, related_name="funding", verbose_name=_("use of a promotion")
    )
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    total_minor = models.BigIntegerField(_("paid in all after it (minor units)"))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("promotion paid by the platform")
        verbose_name_plural = _("promotions paid by the platform")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(total_minor__gte=0) & ~Q(amount_minor=0), name="funding_entry_bounded"),
            models.CheckConstraint(condition=Q(amount_minor__lte=F("total_minor")), name="funding_entry_adds_up"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.redemption_id} {self.amount_minor}"
