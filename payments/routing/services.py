"""Which gateway accounts may take a payment, in order of preference, with the reasons kept."""

from dataclasses import dataclass
from typing import Any

from paycore.fresh import Fresh
from paycore.money import Money
from payments.errors import MethodNotAvailable
from payments.routing.models import GatewayAccount


@dataclass(frozen=True, slots=True)
class Route:
    """Accounts to try, first one first; ``trace`` says why each candidate is in or out, for the payment's record."""

    accounts: tuple[GatewayAccount, ...]
    trace: dict[str, Any]


def choose_accounts(*, merchant_id: str, amount: Money, method: str) -> Route:
    """Eligible accounts: the merchant's own before the platform's, then by priority, then by expected fee.

    :class:`MethodNotAvailable` when none is eligible.
    """
    candidates: list[dict[str, Any]] = []
    eligible: list[tuple[tuple[Any, ...], GatewayAccount]] = []
    for account in _accounts():
        if account.merchant_id not in (None, merchant_id):
            continue
        excluded = _why_not(account, amount=amount, method=method)
        fee = account.expected_fee(amount)
        candidates.append({"account": account.id, "excluded": excluded, "expected_fee_minor": fee.minor})
        if not excluded:
            rank = (account.merchant_id is None, account.priority, fee.minor, account.id)
            eligible.append((rank, account))
    if not eligible:
        raise MethodNotAvailable(method=method, currency=amount.currency)
    ordered = tuple(account for _rank, account in sorted(eligible, key=lambda pair: pair[0]))
    return Route(accounts=ordered, trace={"candidates": candidates, "chosen": [account.id for account in ordered]})


def available_methods(*, merchant_id: str, amount: Money) -> list[str]:
    """Methods that some account can take for this amount, in order of preference, each once."""
    found: dict[str, tuple[Any, ...]] = {}
    for account in _accounts():
        if account.merchant_id not in (None, merchant_id):
            continue
        for position, method in enumerate(account.methods):
            if not _why_not(account, amount=amount, method=method):
                rank = (account.priority, position)
                found[method] = min(rank, found.get(method, rank))
    return sorted(found, key=lambda method: found[method])


def get_account(account_id: str) -> GatewayAccount | None:
    """One account by id, at most two seconds old; disabled ones as well (their payments still need answers)."""
    return _known.get("all").get(account_id) or GatewayAccount.objects.filter(id=account_id).first()


def _why_not(account: GatewayAccount, *, amount: Money, method: str) -> str:
    if not account.is_enabled:
        return "disabled"
    if method not in account.methods:
        return "method"
    if account.currencies and amount.currency not in account.currencies:
        return "currency"
    if account.min_amount_minor is not None and amount.minor < account.min_amount_minor:
        return "below_minimum"
    if account.max_amount_minor is not None and amount.minor > account.max_amount_minor:
        return "above_maximum"
    return ""


def _read_accounts(_key: str) -> dict[str, GatewayAccount]:
    return {account.id: account for account in GatewayAccount.objects.all()}


_known = Fresh(_read_accounts)


def _accounts() -> list[GatewayAccount]:
    return list(_known.get("all").values())


def forget_accounts() -> None:
    """An account was changed in this process."""
    _known.forget()
