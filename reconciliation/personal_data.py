"""What reconciliation keeps about a person: lines of bank statements (accounts/personal_data/sections.py)."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.personal_data.sections import Collected, Section, register_section
from reconciliation.banking.models import BankEntry


def collect_bank_lines(user_id: str) -> Collected:
    """Transfers that paid for the person's orders, as the bank told of them."""
    rows = BankEntry.objects.filter(payment__order__user_id=user_id).order_by("id")
    return Collected({"bank_transfers": [_line(row) for row in rows.iterator(chunk_size=200)]})


def _line(row: BankEntry) -> dict[str, Any]:
    return {
        "id": row.id,
        "payment": row.payment_id,
        "booked_on": row.booked_on.isoformat(),
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "name": row.counterparty_name,
        "iban": row.counterparty_iban,
        "text": row.remittance,
    }


register_section(
    Section(
        name="bank_transfers",
        collect=collect_bank_lines,
        keeps=_(
            "Bank statements with the names and account numbers that your bank wrote into them, sealed: tax and "
            "accounting law wants them whole."
        ),
    )
)
