"""Attempts, rules and journal rows as tests need them."""

import json
from datetime import timedelta
from typing import Any

from django.db import connection

from merchants.models import Merchant
from paycore.database import call_function
from paycore.identifiers import new_id
from paycore.money import Money
from riskcontrol.decisions import Attempt, Decision, assess, forget_limits
from riskcontrol.models import PaymentLimit, Rule
from riskcontrol.rules import forget_rules


def attempt(merchant: Merchant, minor: int = 1_000, *, currency: str = "USD", **known: Any) -> Attempt:
    defaults = {"subject_id": new_id("ord"), "method": "card"}
    return Attempt(merchant_id=merchant.id, amount=Money(minor, currency), **(defaults | known))


def rule(expression: str, action: str = "reject", **fields: Any) -> Rule:
    defaults = {"name": new_id("rule"), "mode": "active"}
    made = Rule(expression=expression, action=action, **(defaults | fields))
    made.full_clean(exclude=["id"])
    made.save()
    forget_rules()
    return made


def limit(
    minor: int | None = None, *, kind: str = "payment", merchant: Merchant | None = None, **fields: Any
) -> PaymentLimit:
    currency = fields.pop("currency", "USD" if minor is not None else "")
    made = PaymentLimit.objects.create(
        kind=kind, merchant=merchant, currency=currency, max_amount_minor=minor, **fields
    )
    forget_limits()
    return made


def journal(decision: Decision) -> str:
    """What the transaction that begins a payment does."""
    call_function("riskcontrol_journal", json.dumps(decision.journal))
    return decision.id


def pay(asked: Attempt) -> str:
    return journal(assess(asked))


def journal_row(merchant: Merchant, *, ago: timedelta, **columns: Any) -> None:
    """A decision of the past: its id tells the time, as ids do."""
    made = new_id("rsk")
    values = {
        "subject_id": "ord_past", "merchant_id": merchant.id, "user_id": None, "amount_minor": 1_000, "currency": "USD",
        "method": "card", "ip": "", "device_id": "", "payment_method_key": "", "action": "allow", "delay_seconds": 0,
        "refusal": "", "reasons": "[]", "facts": "{}", "reserved": "[]",
    } | columns  # fmt: skip
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO riskcontrol_decision (id, decided_at, {names}) "  # names of ours
            f"VALUES (%s, clock_timestamp() - %s, {marks})",
            [made, ago, *values.values()],
        )
