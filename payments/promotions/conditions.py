"""Whether a promotion is for a purchase. Pure: rows and a purchase to a reason, or none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from paycore.money import Money
from payments.promotions.models import Promotion, PromotionCode
from payments.promotions.persons import PersonKey


@dataclass(frozen=True, slots=True)
class Purchase:
    """What somebody is about to buy. ``plan``, ``price`` and ``interval`` are the seller's own words. ``amount`` is
    what the first charge would be.

    ``user_id`` empty: a merchant's own customer, whom ``customer_reference`` and ``email`` name. ``is_first``: they
    never bought from this seller. ``card_fingerprint`` is the hex of a saved method's. ``is_charged_later``: nothing is
    charged now (a trial, a later start): the code's periods all lie ahead, and ``amount`` is the first charge to come.
    ``later_amount``: what the charges after it come to, where they are not like it. ``known_as``: who a merchant's own
    customer is, where the merchant has said it before and only the keys of it were kept.
    """

    user_id: str
    merchant_id: str
    amount: Money
    kind: str = "membership"
    plan: str = ""
    price: str = ""
    interval: str = ""
    is_first: bool = False
    card_fingerprint: str = ""
    email: str = ""
    customer_reference: str = ""
    is_charged_later: bool = False
    later_amount: Money | None = None
    known_as: Sequence[PersonKey] = ()


def is_over(promotion: Promotion, code: PromotionCode, *, now: datetime) -> bool:
    """Or not yet, or not any more, or used up."""
    has_room = all(
        limit is None or used < limit
        for used, limit in ((promotion.used, promotion.max_uses), (code.used, code.max_uses))
    )
    return not (
        promotion.status == Promotion.Status.ACTIVE
        and code.is_enabled
        and has_room
        and (promotion.starts_at is None or promotion.starts_at <= now)
        and (promotion.ends_at is None or now < promotion.ends_at)
        and (code.expires_at is None or now < code.expires_at)
    )


def is_for_person(promotion: Promotion, *, user_id: str, joined_at: datetime | None) -> bool:
    if promotion.users and user_id not in promotion.users:
        return False
    if promotion.joined_from is None and promotion.joined_until is None:
        return True
    return (
        joined_at is not None
        and (promotion.joined_from is None or promotion.joined_from <= joined_at)
        and (promotion.joined_until is None or joined_at < promotion.joined_until)
    )


def why_not(promotion: Promotion, purchase: Purchase) -> str:
    """The first condition that the purchase does not meet; empty when it meets all."""
    return next((reason for reason, is_met in _CONDITIONS if not is_met(promotion, purchase)), "")


def _is_kind(promotion: Promotion, purchase: Purchase) -> bool:
    return promotion.applies_to in (Promotion.AppliesTo.ANY, purchase.kind)


def _is_currency(promotion: Promotion, purchase: Purchase) -> bool:
    currency = purchase.amount.currency
    if promotion.kind == Promotion.Kind.FIXED and currency not in promotion.amounts:
        return False
    if promotion.least and currency not in promotion.least:
        return False  # a smallest amount that nobody named in this currency
    if promotion.budget_currency and currency != promotion.budget_currency:
        return False
    return not promotion.currencies or currency in promotion.currencies


def _is_amount(promotion: Promotion, purchase: Purchase) -> bool:
    return purchase.amount.minor >= int(promotion.least.get(purchase.amount.currency, 0))


def _among(value: str, allowed: Sequence[str], excluded: Sequence[str] = ()) -> bool:
    return value not in excluded and (not allowed or value in allowed)


def goes_on_for(promotion: Promotion, *, plan: str, interval: str) -> bool:
    """Whether it still lowers what its buyer has by now, after a change of plan perhaps. Prices change under their
    members, so they are not asked about again."""
    return _among(plan, promotion.plans, promotion.excluded_plans) and _among(interval, promotion.intervals)


_CONDITIONS: list[tuple[str, Callable[[Promotion, Purchase], bool]]] = [
    ("kind", _is_kind),
    ("currency", _is_currency),
    ("amount", _is_amount),
    ("plan", lambda promotion, purchase: _among(purchase.plan, promotion.plans, promotion.excluded_plans)),
    ("price", lambda promotion, purchase: _among(purchase.price, promotion.prices, promotion.excluded_prices)),
    ("interval", lambda promotion, purchase: _among(purchase.interval, promotion.intervals)),
    ("first_purchase", lambda promotion, purchase: purchase.is_first or not promotion.is_first_only),
]
