"""What an invoice does to the books. Pure.

Payments has booked what was collected as owed to the seller (``merchant:{seller}:pending``); here it becomes income not
yet earned and tax. Amounts of gifts, discounts and credits need no accounts of their own: a line's net amount is what
will be earned.
"""

from collections.abc import Sequence

from memberships.invoices.drafting import net_of, tax_of
from memberships.models import CreditNote, Invoice
from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Entry, Leg

PAID = "paid"
CREDIT_ACCOUNT = "membership:credit"
"""What members have left of plans that they changed away from."""


def tax_account(country: str) -> str:
    return f"membership:tax:{country}"


def entries_of_paid(invoice: Invoice, *, seller_id: str) -> list[Entry]:
    """What was collected and the credit that was used become deferred income and tax; where credits exceed charges, it
    is the other way round. Nothing for an invoice of nothing."""
    currency = invoice.currency
    country = invoice.taxes[0]["country"] if invoice.taxes else invoice.country
    net, tax = net_of(invoice.lines), tax_of(invoice.lines)
    sides = [
        (chart.merchant_pending(seller_id), invoice.due_minor),
        (CREDIT_ACCOUNT, invoice.credit_minor if net + tax >= 0 else net + tax),
        (chart.MEMBERSHIP_DEFERRED, -net),
        (tax_account(country), -tax),
    ]
    legs = pair(sides, currency)
    return [Entry("invoice", invoice.id, PAID, legs)] if legs else []


def entry_of_note(note: CreditNote, *, seller_id: str, country: str, from_revenue: int) -> Entry:
    """What went back to the payer, or is the member's credit again, is taken from deferred income, tax, and
    (``from_revenue``, minor units) revenue."""
    net = note.total_minor - note.tax_minor
    sides = [
        (chart.MEMBERSHIP_DEFERRED, net - from_revenue),
        (chart.REVENUE_MEMBERSHIP, from_revenue),
        (tax_account(country), note.tax_minor),
        (chart.merchant_pending(seller_id), -note.paid_back.minor),
        (CREDIT_ACCOUNT, -note.credit_minor),
    ]
    return Entry("credit_note", note.id, "issued", pair(sides, note.currency))


def entry_of_void_note(note: CreditNote, *, seller_id: str, country: str, to_revenue: int) -> Entry:
    """The money of a credit note that gave no credit came back: it is income not yet earned once more, tax, and
    (``to_revenue``, minor units) revenue where no schedule can take it."""
    net = note.total_minor - note.tax_minor
    sides = [
        (chart.merchant_pending(seller_id), note.total_minor),
        (chart.MEMBERSHIP_DEFERRED, to_revenue - net),
        (chart.REVENUE_MEMBERSHIP, -to_revenue),
        (tax_account(country), -note.tax_minor),
    ]
    return Entry("credit_note", note.id, "voided", pair(sides, note.currency))


def pair(sides: Sequence[tuple[str, int]], currency: str) -> list[Leg]:
    """Transfers that move the positive sides (debits, minor units) to the negative ones (credits); they come to nothing
    together."""
    if sum(minor for _code, minor in sides):
        raise ValueError("an entry balances")
    debits = [(code, minor) for code, minor in sides if minor > 0]
    legs = []
    for credit, minor in sides:
        owed = -minor
        while owed > 0:
            debit, left = debits[0]
            part = min(owed, left)
            legs.append(Leg(debit, credit, Money(part, currency)))
            owed -= part
            debits[0] = (debit, left - part)
            if left == part:
                debits.pop(0)
    return legs
