"""Posting: the only way money moves in the books."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from paycore.database import call_function
from paycore.money import CurrencyMismatch, Money


@dataclass(frozen=True, slots=True)
class Leg:
    """One transfer: ``amount`` leaves the ``credit`` account for the ``debit`` account (both by code)."""

    debit: str
    credit: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Entry:
    """A business event as transfers of one currency. Legs of nothing are left out."""

    business_type: str
    business_id: str
    phase: str
    legs: Sequence[Leg] = field(default_factory=tuple)

    def as_row(self) -> dict[str, Any]:
        legs = [leg for leg in self.legs if leg.amount.minor]
        currencies = {leg.amount.currency for leg in legs}
        if len(currencies) != 1:
            raise CurrencyMismatch
        return {
            "type": self.business_type,
            "id": self.business_id,
            "phase": self.phase,
            "currency": currencies.pop(),
            "debits": [leg.debit for leg in legs],
            "credits": [leg.credit for leg in legs],
            "amounts": [leg.amount.minor for leg in legs],
        }


def post(entry: Entry) -> int:
    """Write ``entry`` in the running transaction and answer its posting's id.

    ``IntegrityError`` when the same (type, id, phase) was posted before or an account would be overdrawn.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("the books change together with what they tell of")
    row = entry.as_row()
    posting_id: int = call_function(
        "ledger_post",
        row["type"],
        row["id"],
        row["phase"],
        row["currency"],
        row["debits"],
        row["credits"],
        row["amounts"],
    )
    return posting_id


def post_many(entries: Sequence[Entry]) -> None:
    """Write all of them in the running transaction, in one round trip however many: for batches."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("the books change together with what they tell of")
    if entries:
        call_function("ledger_post_many", json.dumps([entry.as_row() for entry in entries]))
