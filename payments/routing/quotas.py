"""Limits of accounts: what a payment takes of them, and gives back when it comes to nothing."""

from typing import Any

from paycore.database import call_function
from paycore.money import Money
from payments.routing.board import current_board
from payments.routing.models import GatewayAccount


def quotas_taken(account: GatewayAccount, amount: Money) -> list[dict[str, Any]] | None:
    """What a payment takes of the account's limits, for ``begin.sql``; None when it has none."""
    quotas = current_board().quotas.get(account.id)
    if not quotas:
        return None
    taken = [{"quota": quota.id, "amount_minor": amount.minor} for quota in quotas if quota.currency == amount.currency]
    return taken or None


def settle_quotas(payment_id: str, *, is_given_back: bool) -> int:
    """How many limits changed. Safe to repeat, also the other way round: the caller says how the payment stands now and
    holds its lock. A late success takes again, beyond the limit if need be: the money is there."""
    settled: int = call_function("routing_settle_quotas", payment_id, is_given_back)
    return settled
