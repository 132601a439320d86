"""What a discrepancy posts. Books follow the statement: the gateway's account gets what the statement says beyond what
we had booked, and the other side is suspense (whose money it is, nobody knows yet) or our own cost."""

from collections.abc import Iterable

from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from reconciliation.discrepancies.models import Discrepancy

EXPENSE_DISCREPANCIES = "expense:discrepancies"
"""What differences cost us; what they brought counts against it."""


def suspense(gateway_account_id: str) -> str:
    """Money that a provider says it has and nobody here knows of: apart from payments' own suspense, whose owners are
    known payments."""
    return f"{chart.SUSPENSE}:{gateway_account_id}"


def enter_suspense(row: Discrepancy) -> None:
    """The line is real money at the gateway: it is in the books at once, though nobody knows whose it is."""
    _post(row, _legs_of_difference(row, other=suspense(row.gateway_account_id)), phase="suspense")
    row.is_in_suspense = True
    row.save(update_fields=["is_in_suspense"])


def leave_suspense(row: Discrepancy, *, phase: str) -> None:
    """The reverse of :func:`enter_suspense`: the money is no longer at the gateway, or never was."""
    if not row.is_in_suspense:
        return
    legs = _legs_of_difference(row, other=suspense(row.gateway_account_id))
    _post(row, [_reversed(leg) for leg in legs], phase=phase)
    row.is_in_suspense = False
    row.save(update_fields=["is_in_suspense"])


def write_off(row: Discrepancy) -> None:
    """The books become what the statement says, at our cost or to our gain."""
    if row.is_in_suspense:
        taken = Money(row.their_amount_minor or 0, row.their_currency)
        _post(row, [_leg(suspense(row.gateway_account_id), EXPENSE_DISCREPANCIES, taken)], phase="write_off")
        row.is_in_suspense = False
        row.save(update_fields=["is_in_suspense"])
        return
    _post(row, _legs_of_difference(row, other=EXPENSE_DISCREPANCIES), phase="write_off")


def _legs_of_difference(row: Discrepancy, *, other: str) -> list[Leg]:
    """Statement minus books, for each currency that one of them speaks of."""
    gateway = chart.gateway(row.gateway_account_id)
    legs = []
    for currency in sorted({row.their_currency, row.our_currency} - {""}):
        theirs = (row.their_amount_minor, row.their_fee_minor) if row.their_currency == currency else (0, 0)
        ours = (row.our_amount_minor, row.our_fee_minor) if row.our_currency == currency else (0, 0)
        amount = Money((theirs[0] or 0) - (ours[0] or 0), currency)
        # A part's fee in our books is not known by itself: then there is nothing to compare.
        is_fee_known = None not in (theirs[1], ours[1])
        fee = Money((theirs[1] or 0) - (ours[1] or 0) if is_fee_known else 0, currency)
        legs += [_leg(gateway, other, amount), _leg(chart.EXPENSE_GATEWAY_FEES, gateway, fee)]
    return legs


def _leg(debit: str, credit: str, amount: Money) -> Leg:
    """A negative amount goes the other way."""
    return Leg(credit, debit, -amount) if amount.is_negative else Leg(debit, credit, amount)


def _reversed(leg: Leg) -> Leg:
    return Leg(leg.credit, leg.debit, leg.amount)


def _post(row: Discrepancy, legs: Iterable[Leg], *, phase: str) -> None:
    """One entry for each currency; the unique key of a posting makes each happen once for one revision of the file."""
    by_currency: dict[str, list[Leg]] = {}
    for leg in legs:
        if leg.amount.minor:
            by_currency.setdefault(leg.amount.currency, []).append(leg)
    for currency, parts in by_currency.items():
        post(Entry("discrepancy", row.id, f"{phase}:{row.statement.revision}:{currency}"[:40], parts))
