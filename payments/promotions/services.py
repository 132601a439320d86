"""What a code gives, and taking it: :func:`quote` looks, :func:`take` holds a slot, :func:`use` keeps it for good,
:func:`release` gives it back.

A slot is held for a ``subject_id``: the id of the order, or of the subscription, that the code was given for. Whoever
takes must say how it went on: ``use`` when the first charge was paid, ``release`` when it ended unpaid or was refunded
in full. Orders do so by themselves (payments/handlers.py); memberships do for their subscriptions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import Q

from accounts.models import User
from paycore.database import call_function
from paycore.identifiers import new_id
from paycore.money import Money
from payments.promotions.amounts import charges_lowered, discount_of, reserved_of_budget
from payments.promotions.codes import normal_code
from payments.promotions.conditions import Purchase, goes_on_for, is_for_person, is_over, why_not
from payments.promotions.errors import (
    PromotionAlreadyUsed,
    PromotionCodeNotValid,
    PromotionNeedsCustomer,
    PromotionNotApplicable,
    PromotionNotCombinable,
)
from payments.promotions.models import Promotion, PromotionCode, Redemption, RedemptionPerson
from payments.promotions.persons import PersonKey, as_rows, keys_of_customer, keys_of_user
from payments.promotions.presentation import describe
from payments.promotions.refusals import promotion_refusal

__all__ = [
    "PlannedUse",
    "Purchase",
    "Quote",
    "carry_out",
    "discounts_for_renewals",
    "free_days_of",
    "note_period",
    "plan_uses",
    "quote",
    "release",
    "settle_use",
    "take",
    "use",
    "uses_as_rows",
    "withdraw",
]

MOST_CODES = 5


@dataclass(frozen=True, slots=True)
class Quote:
    """What a code would give now. ``discount`` is off the first charge. ``periods``: how many charges it lowers in all,
    the first one counted; None: every one. ``free_days`` are for memberships: no money is off then."""

    promotion_code_id: str
    discount: Money
    free_days: int
    periods: int | None
    description: str


@dataclass(frozen=True, slots=True)
class PlannedUse:
    """A use that is yet to be written, by :func:`carry_out` or with the order's own first transaction."""

    redemption: Redemption
    persons: Sequence[PersonKey]
    at: datetime

    def as_row(self) -> dict[str, Any]:
        """What ``promotions_take`` reads."""
        columns = {field.column: self.redemption.__dict__.get(field.column) for field in _COLUMNS}
        plain = {name: value for name, value in columns.items() if not hasattr(value, "resolve_expression")}
        return {"redemption": plain, "persons": as_rows(self.persons), "at": self.at.isoformat()}


_COLUMNS = Redemption._meta.concrete_fields


def quote(code: str, purchase: Purchase, *, now: datetime) -> Quote:
    """What ``code``, as it was typed, gives for ``purchase`` by the buyer's clock ``now``. Takes nothing.

    PromotionCodeNotValid, PromotionNotApplicable, PromotionAlreadyUsed, PromotionNeedsCustomer.
    """
    found, persons = _look(code, purchase, now=now)
    promotion = found.promotion
    if _has_used(promotion, found, persons):
        raise PromotionAlreadyUsed
    return Quote(
        promotion_code_id=found.id,
        discount=discount_of(promotion, purchase.amount),
        free_days=promotion.free_days,
        periods=charges_lowered(promotion),
        description=describe(promotion, currency=purchase.amount.currency),
    )


def take(code: str, purchase: Purchase, *, subject_id: str, now: datetime) -> Redemption:
    """Hold one use for ``subject_id`` in the running transaction, within every limit, exactly.

    The redemption's ``amount`` is off the first charge (none when ``purchase.is_charged_later``), ``free_days`` are
    given; later charges ask :func:`discounts_for_renewals`. Refusals as :func:`quote`, and PromotionNotCombinable.
    """
    planned = plan_uses([code], purchase, subject_id=subject_id, now=now)
    carry_out(planned)
    return planned[0].redemption


def plan_uses(codes: Sequence[str], purchase: Purchase, *, subject_id: str, now: datetime) -> list[PlannedUse]:
    """Several codes for one purchase, in the order in which they are taken off: each one lowers what those before left.
    Nothing is written. Conditions are about the whole amount. Refusals as :func:`take`."""
    looked = [_look(code, purchase, now=now) for code in codes]
    promotions = [found.promotion for found, _persons in looked]
    if len({promotion.id for promotion in promotions}) < len(promotions) or (
        len(promotions) > 1 and any(promotion.stacking == Promotion.Stacking.EXCLUSIVE for promotion in promotions)
    ):
        raise PromotionNotCombinable
    planned: list[PlannedUse] = []
    left = purchase.amount
    for found, persons in sorted(looked, key=lambda pair: (pair[0].promotion.position, pair[0].promotion_id)):
        redemption = _redemption(found, replace(purchase, amount=left), subject_id=subject_id)
        left -= redemption.amount
        planned.append(PlannedUse(redemption, persons, at=now))
    return planned


def carry_out(planned: Sequence[PlannedUse]) -> None:
    """Write them in the running transaction: all, or none with a refusal. Locks promotions in the order of ids."""
    if not planned:
        return
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("a code is taken together with what it is taken for")
    try:
        with transaction.atomic():
            for row in uses_as_rows(planned):
                call_function("promotions_take", json.dumps(row))
    except Error as error:
        refusal = promotion_refusal(error)
        if refusal is None:
            raise
        raise refusal from error
    for one in planned:
        one.redemption._state.adding = False


def uses_as_rows(planned: Sequence[PlannedUse]) -> list[dict[str, Any]]:
    """For ``promotions_take``, in the order in which everybody locks."""
    return [one.as_row() for one in sorted(planned, key=lambda use: use.redemption.promotion_id)]


def use(subject_id: str) -> int:
    """The first charge of ``subject_id`` was paid; how many uses moved. Twice is once; what was given back before is
    taken again, whatever the limits say by now."""
    moved: int = call_function("promotions_settle", subject_id, Redemption.Status.USED.value)
    return moved


def release(subject_id: str) -> int:
    """``subject_id`` ended unpaid, or was refunded in full: its slots are free again, once. How many moved."""
    moved: int = call_function("promotions_settle", subject_id, Redemption.Status.RELEASED.value)
    return moved


def withdraw(subject_id: str) -> int:
    """What ``subject_id`` holds is taken off it again before anything was paid: its slots are free, and no late payment
    takes them again. How many moved."""
    moved: int = call_function("promotions_settle", subject_id, Redemption.Status.RELEASED.value, True)
    return moved


def settle_use(redemption_id: str, *, is_paid: bool) -> bool:
    """Of one use alone, where its subject holds others: its own charge was paid, or ended unpaid. Twice is once."""
    status = Redemption.Status.USED if is_paid else Redemption.Status.RELEASED
    moved: bool = call_function("promotions_settle_use", redemption_id, status.value)
    return moved


def free_days_of(subject_id: str, *, bought: tuple[str, str] | None = None) -> int:
    """How many days without a charge the codes that ``subject_id`` holds give; with ``bought``, the plan (its code) and
    the interval that were chosen meanwhile, those that are for it."""
    held = Redemption.objects.filter(subject_id=subject_id, free_days__gt=0).exclude(status=Redemption.Status.RELEASED)
    rows = held.select_related("promotion")
    if bought is None:
        return sum(row.free_days for row in rows)
    plan, interval = bought
    return sum(row.free_days for row in rows if goes_on_for(row.promotion, plan=plan, interval=interval))


def discounts_for_renewals(
    subject_ids: Sequence[str], *, amounts: Mapping[str, Money], bought: Mapping[str, tuple[str, str]] | None = None
) -> dict[str, tuple[str, Money, str]]:
    """Of each subject whose next charge is still lowered: the use's id, how much is off ``amounts[subject]``, and what
    it is called. One query. A promotion that was paused or has ended keeps what it promised, for the plans and
    intervals that it is for: ``bought`` says, by subject, the plan (its code) and the interval that are charged now.

    Whoever makes the charge tells it by :func:`note_period` in the same transaction. A use whose own first charge is
    still to be paid (a change that waits for its money) lowers nothing yet.
    """
    rows = Redemption.objects.filter(
        Q(periods_left__isnull=True) | Q(periods_left__gt=0),
        Q(status=Redemption.Status.USED) | Q(status=Redemption.Status.TAKEN, periods_used=0),
        subject_id__in=list(subject_ids),
    ).select_related("promotion")
    found = {}
    for row in rows:
        amount = amounts[row.subject_id]
        if row.currency != amount.currency:
            continue  # the plan is charged in another currency by now
        if bought is not None:
            plan, interval = bought[row.subject_id]
            if not goes_on_for(row.promotion, plan=plan, interval=interval):
                continue
        off = discount_of(row.promotion, amount)
        if off.minor:
            found[row.subject_id] = (row.id, off, describe(row.promotion, currency=amount.currency))
    return found


def note_period(redemption_ids: Sequence[str], *, amounts: Mapping[str, Money] | None = None) -> None:
    """One more charge was lowered by each of these uses, by ``amounts[id]`` where told. Set-based, in the running
    transaction: together with the invoices, so that a batch that is repeated counts once."""
    if not redemption_ids:
        return
    minors = [amounts[one].minor if amounts and one in amounts else 0 for one in redemption_ids]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_PERIOD, [list(redemption_ids), minors])


_NOTE_PERIOD = """
    UPDATE payments_redemption AS use
    SET periods_used = periods_used + 1,
        periods_left = CASE WHEN periods_left > 0 THEN periods_left - 1 ELSE periods_left END,
        given_minor = given_minor + told.minor,
        status = CASE WHEN status = 'taken' THEN 'used' ELSE status END,
        used_at = coalesce(used_at, clock_timestamp())
    FROM unnest(%s::text[], %s::bigint[]) AS told (id, minor)
    WHERE use.id = told.id AND use.status <> 'released'
"""


def _look(typed: str, purchase: Purchase, *, now: datetime) -> tuple[PromotionCode, list[PersonKey]]:
    """The code's row and who would use it, when everything but its use by this person speaks for it."""
    found = _find(typed, purchase)
    promotion = found.promotion
    if is_over(promotion, found, now=now) or not is_for_person(
        promotion, user_id=purchase.user_id, joined_at=_joined_at(promotion, purchase)
    ):
        raise PromotionCodeNotValid
    if reason := why_not(promotion, purchase):
        raise PromotionNotApplicable(reason=reason)
    persons = _persons(purchase)
    if not persons and _is_limited_per_person(promotion, found):
        raise PromotionNeedsCustomer
    return found, persons


def _find(typed: str, purchase: Purchase) -> PromotionCode:
    """The seller's own code first; else one of the platform's for every merchant."""
    plain = normal_code(typed)
    if not plain:
        raise PromotionCodeNotValid
    rows = PromotionCode.objects.filter(
        Q(merchant_id=purchase.merchant_id) | Q(merchant__isnull=True), code=plain
    ).select_related("promotion")
    own = sorted(rows, key=lambda row: row.merchant_id is None)
    if not own:
        raise PromotionCodeNotValid
    return own[0]


def _joined_at(promotion: Promotion, purchase: Purchase) -> datetime | None:
    if not purchase.user_id or (promotion.joined_from is None and promotion.joined_until is None):
        return None
    return User.objects.filter(pk=purchase.user_id).values_list("date_joined", flat=True).first()


def _persons(purchase: Purchase) -> list[PersonKey]:
    if purchase.known_as:
        return list(purchase.known_as)
    if purchase.user_id:
        return keys_of_user(purchase.user_id, email=purchase.email, card_fingerprint=purchase.card_fingerprint)
    return keys_of_customer(purchase.customer_reference, merchant_id=purchase.merchant_id, email=purchase.email)


def _is_limited_per_person(promotion: Promotion, code: PromotionCode) -> bool:
    return promotion.max_per_person is not None or code.max_per_person is not None


def _has_used(promotion: Promotion, code: PromotionCode, persons: Sequence[PersonKey]) -> bool:
    """As far as one can see without a lock; ``promotions_take`` decides."""
    if not _is_limited_per_person(promotion, code):
        return False
    seen = RedemptionPerson.objects.filter(promotion=promotion, key__in=[person.key for person in persons])
    uses = seen.exclude(redemption__status=Redemption.Status.RELEASED).values("redemption_id").distinct()
    limits = [(uses, promotion.max_per_person), (uses.filter(redemption__code=code), code.max_per_person)]
    return any(most is not None and rows.count() >= most for rows, most in limits)


def _redemption(code: PromotionCode, purchase: Purchase, *, subject_id: str) -> Redemption:
    promotion = code.promotion
    would_be = discount_of(promotion, purchase.amount)
    charges = charges_lowered(promotion)
    is_now = not purchase.is_charged_later and charges != 0
    off = would_be if is_now else Money.zero(would_be.currency)
    return Redemption(
        id=new_id("red"),
        promotion=promotion,
        code=code,
        merchant_id=purchase.merchant_id,
        user_id=purchase.user_id or None,
        subject_id=subject_id,
        currency=off.currency,
        amount_minor=off.minor,
        given_minor=off.minor,
        reserved_minor=reserved_of_budget(promotion, would_be, later=_later_discount(promotion, purchase)),
        free_days=promotion.free_days,
        periods_left=None if charges is None else charges - is_now,
        periods_used=int(is_now),
        funded_by=promotion.funded_by,
    )


def _later_discount(promotion: Promotion, purchase: Purchase) -> Money | None:
    return discount_of(promotion, purchase.later_amount) if purchase.later_amount else None
