"""Moving members from one price to another: what was decided, and what became of it for each of them."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.catalogue import Price
from memberships.models.subscriptions import Subscription
from paycore.identifiers import PrefixedIdField

LEAST_NOTICE_DAYS, MOST_NOTICE_DAYS = 30, 365


def default_notice_days() -> int:
    return max(LEAST_NOTICE_DAYS, settings.PAYCORE_PRICE_NOTICE_DAYS)


class PriceChange(models.Model):
    """Members who pay ``from_price`` shall pay ``to_price``. One person writes it, another announces it.

    ``touched`` is how many members there were to tell when it was announced, ``told`` how many moves are written; they
    are written in the order of the subscriptions' ids, up to ``cursor``, until ``written_at``.
    """

    class Kind(models.TextChoices):
        NOTICE = "notice", _("Notice: applies after it, unless the member leaves")
        CONSENT = "consent", _("Consent: applies only to members who agree")

    class Unanswered(models.TextChoices):
        KEEP = "keep", _("Keeps the old price")
        END = "end", _("Membership ends with its period")

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ANNOUNCED = "announced", _("Announced")
        DONE = "done", _("Done")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = PrefixedIdField(prefix="pch")
    from_price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+", verbose_name=_("from"))
    to_price = models.ForeignKey(
        Price, on_delete=models.PROTECT, related_name="+", verbose_name=pgettext_lazy("membership", "to")
    )
    kind = models.CharField(_("kind"), max_length=7, choices=Kind, default=Kind.NOTICE)
    notice_days = models.PositiveSmallIntegerField(
        _("notice (days)"),
        default=default_notice_days,
        validators=[MinValueValidator(LEAST_NOTICE_DAYS), MaxValueValidator(MOST_NOTICE_DAYS)],
    )
    unanswered = models.CharField(
        _("without consent when the notice is over"), max_length=4, choices=Unanswered, default=Unanswered.KEEP
    )
    note = models.CharField(_("why"), max_length=300, blank=True, default="")
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.DRAFT)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("written by")
    )
    announced_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("announced by"),
    )
    announced_at = models.DateTimeField(_("announced"), null=True, blank=True)
    written_at = models.DateTimeField(_("everybody told"), null=True, blank=True)
    ended_at = models.DateTimeField(_("done or withdrawn"), null=True, blank=True)
    touched = models.PositiveIntegerField(_("members touched"), default=0)
    told = models.PositiveIntegerField(_("members told"), default=0)
    cursor = models.CharField(_("told up to"), max_length=40, blank=True, default="", db_collation="C")
    next_attempt_at = models.DateTimeField(_("next step"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("price change")
        verbose_name_plural = _("price changes")
        permissions: ClassVar = [("announce_pricechange", "Can announce and withdraw price changes")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["from_price"], condition=Q(status__in=["draft", "announced"]), name="price_change_one_open"
            ),
            models.CheckConstraint(condition=~Q(from_price=F("to_price")), name="price_change_changes"),
            models.CheckConstraint(
                condition=Q(notice_days__gte=LEAST_NOTICE_DAYS, notice_days__lte=MOST_NOTICE_DAYS),
                name="price_change_notice",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["announced", "done"])
                | Q(announced_by__isnull=False, announced_at__isnull=False) & ~Q(announced_by=F("created_by")),
                name="price_change_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(status="announced") | Q(next_attempt_at__isnull=False), name="price_change_is_looked_at"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="announced"), name="price_change_due"),
        ]
        triggers: ClassVar = [
            transitions.PRICE_CHANGE.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=["from_price", "to_price", "kind", "notice_days", "unanswered", "created_by"],
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_rise(self) -> bool:
        """Whether anybody may have to pay more. What makes nobody pay more needs nobody's consent and no notice."""
        old, new = self.from_price, self.to_price
        return (
            new.amount_minor > old.amount_minor
            or new.seat_amount_minor > old.seat_amount_minor
            or (old.is_tax_inclusive and not new.is_tax_inclusive)
        )


class PriceMove(models.Model):
    """One subscription of a price change. The new price may apply to renewals from ``may_apply_from`` on, by the
    member's clock: with consent from the moment it was given, else when the notice is over."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Told, no answer yet")
        AGREED = "agreed", _("Agreed")
        REFUSED = "refused", _("Refused")
        APPLIED = "applied", _("Pays the new price")
        VOID = "void", _("Does not apply any more")

    id = PrefixedIdField(prefix="pmv")
    change = models.ForeignKey(
        PriceChange, on_delete=models.PROTECT, related_name="moves", db_index=False, verbose_name=_("price change")
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        related_name="price_moves",
        db_index=False,
        verbose_name=_("subscription"),
    )
    status = models.CharField(_("status"), max_length=7, choices=Status, default=Status.WAITING)
    notified_at = models.DateTimeField(_("told"), null=True, blank=True)
    notice_ends_at = models.DateTimeField(_("notice ends"))
    may_apply_from = models.DateTimeField(_("may apply from"))
    consented_at = models.DateTimeField(_("agreed"), null=True, blank=True)
    refused_at = models.DateTimeField(_("refused"), null=True, blank=True)
    applied_at = models.DateTimeField(_("applied"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("price move")
        verbose_name_plural = _("price moves")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change", "subscription"], name="price_move_once"),
            models.CheckConstraint(
                condition=~Q(status="applied") | Q(applied_at__isnull=False), name="price_move_applied_when"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["subscription"],
                condition=Q(status__in=["waiting", "agreed", "refused"]),
                name="price_move_open",
            ),
            models.Index(fields=["change", "status", "notice_ends_at"], name="price_move_of_change"),
        ]
        triggers: ClassVar = [
            transitions.PRICE_MOVE.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["change", "subscription", "notice_ends_at"]),
        ]

    def __str__(self) -> str:
        return self.id
