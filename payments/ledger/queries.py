"""Reading the books."""

from dataclasses import dataclass

from django.db.models import Sum

from paycore.money import Money
from payments.ledger.models import LedgerAccount, Transfer


@dataclass(frozen=True, slots=True)
class AccountBalance:
    code: str
    kind: str
    balance: Money


def balance_of(code: str, *, currency: str) -> Money:
    """The balance on the account's natural side, all shards together. Cost does not grow with history."""
    total = LedgerAccount.objects.filter(code=code, currency=currency).aggregate(total=Sum("balance_minor"))["total"]
    return Money(total or 0, currency)


def balances(*, prefix: str = "") -> list[AccountBalance]:
    """Every account whose code begins with ``prefix``, shards summed, ordered by code and currency."""
    rows = (
        LedgerAccount.objects.filter(code__startswith=prefix)
        .values("code", "currency", "kind")
        .annotate(total=Sum("balance_minor"))
        .order_by("code", "currency")
    )
    return [AccountBalance(row["code"], row["kind"], Money(row["total"], row["currency"])) for row in rows]


def transfers_of(business_type: str, business_id: str) -> list[Transfer]:
    """The transfers of one business object, oldest first."""
    return list(
        Transfer.objects.filter(posting__business_type=business_type, posting__business_id=business_id)
        .select_related("posting", "debit_account", "credit_account")
        .order_by("id")
    )
