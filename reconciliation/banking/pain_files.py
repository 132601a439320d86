"""pain.001 (customer credit transfer) by sepaxml, which lets wrong check digits through: they are checked first."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sepaxml import SepaTransfer
from stdnum import bic as bic_rules
from stdnum import iban as iban_rules
from stdnum.exceptions import ValidationError

from payments.routing.models import GatewayAccount
from reconciliation.banking.errors import CurrencyHasNoPayoutFile, InvalidIban
from reconciliation.banking.payout_models import Payout

SCHEMA = "pain.001.001.03"
CURRENCY = "EUR"


def checked_iban(text: str) -> str:
    """Compact, with right check digits. InvalidIban."""
    try:
        checked: str = iban_rules.validate(text)
    except ValidationError as error:
        raise InvalidIban from error
    return checked


def write_pain(account: GatewayAccount, payouts: Sequence[Payout], *, execution_date: date) -> bytes:
    """One file that is valid by its schema, each payout booked by itself so that its line can be told.

    CurrencyHasNoPayoutFile, InvalidIban.
    """
    settings = account.settings
    if any(payout.currency != CURRENCY for payout in payouts):
        raise CurrencyHasNoPayoutFile
    debtor: dict[str, Any] = {
        "name": settings.get("holder", ""),
        "IBAN": checked_iban(settings.get("iban", "")),
        "BIC": bic_rules.validate(settings.get("bic", "")),
        "batch": False,
        "currency": CURRENCY,
    }
    file = SepaTransfer(debtor, schema=SCHEMA, clean=True)
    for payout in payouts:
        file.add_payment(
            {
                "name": payout.creditor_name or "-",
                "IBAN": checked_iban(payout.creditor_iban),
                "amount": payout.amount_minor,
                "execution_date": execution_date,
                "description": f"{payout.get_kind_display()} {payout.subject_id.replace('_', ' ')}",
                "endtoend_id": payout.end_to_end_id,
            }
        )
    written: bytes = file.export(validate=True)
    return written
