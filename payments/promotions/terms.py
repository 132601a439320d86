"""Which terms a promotion may have, and when one person is not enough to activate it."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from paycore.money import CURRENCIES, Money
from payments.promotions.models import Promotion
from payments.promotions.models.promotions import MOST_NAMED_USERS, TERMS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_REFERENCES = 200
MOST_MINOR = 10**13
"""So that thousands of uses still fit a budget's column."""
_BY_CURRENCY = ("amounts", "most_off", "least")
_REFERENCES = ("plans", "excluded_plans", "prices", "excluded_prices", "intervals")


def wrong_terms(promotion: Promotion) -> "dict[str, StrOrPromise]":
    """What is wrong, by field; empty when nothing is. The database refuses most of it as well."""
    wrong: dict[str, StrOrPromise] = {}
    for check in (_check_kind, _check_lists, _check_money, _check_budget, _check_times, _check_seller):
        wrong |= check(promotion)
    return wrong


def settle_terms(promotion: Promotion) -> None:
    """What follows from the terms; call it before saving a draft."""
    if promotion.kind != Promotion.Kind.PERCENT:
        promotion.percent_basis_points = 0
    if promotion.kind != Promotion.Kind.FIXED:
        promotion.amounts = {}
    if promotion.kind == Promotion.Kind.FREE_DAYS:
        promotion.applies_to, promotion.duration = Promotion.AppliesTo.MEMBERSHIP, Promotion.Duration.ONCE
    else:
        promotion.free_days = 0
    if promotion.duration != Promotion.Duration.PERIODS:
        promotion.periods = 1
    if promotion.merchant_id is None:
        promotion.applies_to, promotion.funded_by = Promotion.AppliesTo.ORDER, Promotion.FundedBy.PLATFORM
    promotion.needs_second_person = may_cost_much(promotion)


def may_cost_much(promotion: Promotion) -> bool:
    """Above the limit of its budget's currency, or without a budget; free days by how many there can be."""
    if promotion.kind == Promotion.Kind.FREE_DAYS:
        most = settings.PAYCORE_PROMOTION_SECOND_PERSON_ABOVE_DAYS
        return promotion.max_uses is None or promotion.max_uses * promotion.free_days > most
    if promotion.budget_minor is None or promotion.budget_currency not in CURRENCIES:
        return True
    limit = _limit(promotion.budget_currency)
    return limit is None or promotion.budget_minor > limit


def fingerprint_of(promotion: Promotion) -> str:
    """SHA-256 of the terms: what a second person agrees to is what they looked at."""
    said = [str(getattr(promotion, name)) for name in TERMS]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _limit(currency: str) -> int | None:
    for item in settings.PAYCORE_PROMOTION_SECOND_PERSON_ABOVE:
        code, _equals, major = item.partition("=")
        if code.strip() == currency:
            return Money.from_major(major.strip(), currency).minor
    return None


def _check_kind(promotion: Promotion) -> "dict[str, StrOrPromise]":
    is_percent = promotion.kind == Promotion.Kind.PERCENT
    if is_percent and not 1 <= promotion.percent_basis_points <= 10_000:
        return {"percent_basis_points": _("From 1 to 10000: 2000 is 20 percent.")}
    if promotion.kind == Promotion.Kind.FIXED and not promotion.amounts:
        return {"amounts": _("Name an amount in at least one currency.")}
    if promotion.kind == Promotion.Kind.FREE_DAYS and not 1 <= promotion.free_days <= 366:
        return {"free_days": _("From 1 to 366.")}
    if promotion.duration == Promotion.Duration.PERIODS and not 1 <= promotion.periods <= 120:
        return {"periods": _("From 1 to 120.")}
    return {}


def _check_lists(promotion: Promotion) -> "dict[str, StrOrPromise]":
    wrong: dict[str, StrOrPromise] = {
        name: _("Too many of them.") for name in _REFERENCES if len(getattr(promotion, name)) > MOST_REFERENCES
    }
    if len(promotion.users) > MOST_NAMED_USERS:
        wrong["users"] = _("Too many of them.")
    if any(currency not in CURRENCIES for currency in promotion.currencies):
        wrong["currencies"] = _("This currency is not enabled.")
    return wrong


def _check_money(promotion: Promotion) -> "dict[str, StrOrPromise]":
    return {
        name: _('Amounts in minor units, by currency: {"USD": 500}.')
        for name in _BY_CURRENCY
        if not _is_money(getattr(promotion, name))
    }


def _is_money(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        currency in CURRENCIES and type(minor) is int and 1 <= minor <= MOST_MINOR for currency, minor in value.items()
    )


def _check_budget(promotion: Promotion) -> "dict[str, StrOrPromise]":
    if promotion.budget_minor is None:
        return {"budget_minor": _("Name the budget.")} if promotion.budget_currency else {}
    if promotion.budget_currency not in CURRENCIES:
        return {"budget_currency": _("Name the budget's currency.")}
    if not 1 <= promotion.budget_minor <= MOST_MINOR:
        return {"budget_minor": _("The budget is above zero, and no more than the books can hold.")}
    if promotion.duration == Promotion.Duration.FOREVER:
        return {"budget_minor": _("What lowers every period for ever has no budget: it would never end.")}
    return {}


def _check_times(promotion: Promotion) -> "dict[str, StrOrPromise]":
    spans = (("starts_at", "ends_at"), ("joined_from", "joined_until"))
    wrong: dict[str, StrOrPromise] = {}
    for first, last in spans:
        begins, ends = getattr(promotion, first), getattr(promotion, last)
        if begins and ends and ends <= begins:
            wrong[last] = _("The end is not after the start.")
    return wrong


def _check_seller(promotion: Promotion) -> "dict[str, StrOrPromise]":
    if promotion.merchant_id is None and promotion.kind == Promotion.Kind.FREE_DAYS:
        return {"kind": _("Free days are for memberships, which one seller sells.")}
    return {}
