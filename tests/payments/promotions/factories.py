"""Promotions that are live, and what people try to buy with them."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from payments.promotions.conditions import Purchase
from payments.promotions.managing import CodeDraft, activate_promotion, add_code, create_promotion
from payments.promotions.models import Promotion, Redemption
from payments.promotions.services import take

AUTHOR, SECOND = "usr_author", "usr_second"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_promotion(merchant: Merchant | None, code: str = "WELCOME20", **terms: Any) -> Promotion:
    """Active, 20 % off unless told otherwise, with one code that anybody may use any number of times."""
    terms = {"kind": "percent", "max_per_person": None, **terms}
    if terms["kind"] == "percent":
        terms.setdefault("percent_basis_points", 2_000)
    name = f"Promotion {code}"
    made = create_promotion({"name": name, **terms}, merchant_id=merchant.id if merchant else None, author_id=AUTHOR)
    add_code(made.id, CodeDraft(code))
    return activate_promotion(made.id, by_id=SECOND)


def purchase(merchant: Merchant, minor: int = 10_000, currency: str = "USD", **more: Any) -> Purchase:
    """Of a membership by nobody in particular."""
    return Purchase(**{"user_id": "", "merchant_id": merchant.id, "amount": Money(minor, currency), **more})


def take_once(code: str, bought: Purchase, subject_id: str) -> Redemption:
    """In a transaction of its own, as an order or a subscription would."""
    with transaction.atomic():
        return take(code, bought, subject_id=subject_id, now=database_now())
