"""MT940 by the ``mt-940`` library, and a count of what it may have passed over in silence."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import mt940
from stdnum import iban as iban_rules

from paycore.errors import PaycoreError
from paycore.money import Money
from reconciliation.banking.lines import AccountStatement, Balance, BankFileRefused, Line

_BOOKED = re.compile(r"^:61:", re.MULTILINE)
_OPTIONS = mt940.Options(applicant_iban=True)
_NOTHING = {"NONREF", "NOTPROVIDED"}
_END_TO_END = re.compile(r"(?:EREF\+|/EREF/|\bEREF[:. ]\s?)([A-Za-z0-9?:().,'+-]{1,35})")


def read_mt940(body: bytes) -> list[AccountStatement]:
    """Raises :class:`BankFileRefused`. UTF-8 where it is that; else the old code page, in which every byte is a letter:
    amounts, references and IBANs are plain ASCII in both."""
    text = _decoded(body)
    try:
        found = mt940.parse_statements(text, options=_OPTIONS)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise BankFileRefused("line_not_understood", type(error).__name__) from error
    statements = [_statement(one) for one in found]
    if not statements:
        raise BankFileRefused("no_statement")
    # The library leaves out what it does not understand.
    booked, read = len(_BOOKED.findall(text)), sum(len(one.transactions) for one in found)
    if booked != read:
        raise BankFileRefused("line_not_understood", f"{read} / {booked}")
    return statements


def _decoded(body: bytes) -> str:
    if b"\x00" in body:
        raise BankFileRefused("wrong_encoding", "NUL")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp852")


def _statement(found: Any) -> AccountStatement:
    data = found.data
    return AccountStatement(
        account=str(data.get("account_identification") or "").strip(),
        lines=[line for line in map(_line, found.transactions) if line.amount_minor],
        opening=_balance(data.get("final_opening_balance") or data.get("intermediate_opening_balance")),
        closing=_balance(data.get("final_closing_balance") or data.get("intermediate_closing_balance")),
    )


def _balance(balance: Any) -> Balance | None:
    if balance is None or balance.amount is None:
        return None
    return Balance(_minor(balance.amount.amount, balance.amount.currency), balance.amount.currency)


def _minor(amount: Decimal, currency: str) -> int:
    try:
        return Money.from_major(amount, currency).minor
    except PaycoreError as error:
        raise BankFileRefused("bad_amount", f"{amount} {currency}"[:60]) from error


def _line(transaction: Any) -> Line:
    data = transaction.data
    amount = data.get("amount")
    if amount is None or not isinstance(data.get("date"), date):
        raise BankFileRefused("line_not_understood")
    status = str(data.get("status") or "").upper()
    minor = abs(_minor(amount.amount, amount.currency))
    details = _words(data)
    iban = _plain(data.get("applicant_iban") or data.get("gvc_applicant_iban"))
    return Line(
        amount_minor=minor,
        currency=amount.currency,
        is_credit=status in ("C", "RD"),
        booked_on=_day(data.get("entry_date") or data["date"]),
        value_on=_day(data["date"]),
        remittance=details[:1000],
        end_to_end_id=_end_to_end(data, details),
        bank_reference=_plain(data.get("bank_reference"))[:64],
        name=_plain(data.get("applicant_name"))[:140],
        iban=iban if iban_rules.is_valid(iban) else "",
        is_return=status in ("RC", "RD"),
    )


def _day(value: date) -> date:
    return date(value.year, value.month, value.day)


def _words(data: dict[str, Any]) -> str:
    """Everything that a payer may have written into; the library splits it when it knows the bank's way."""
    names = ("purpose", "additional_purpose", "transaction_details", "extra_details", "customer_reference")
    return " ".join(filter(None, (_plain(data.get(name)) for name in names)))


def _plain(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _end_to_end(data: dict[str, Any], details: str) -> str:
    given = _plain(data.get("end_to_end_reference"))
    if not given:
        match = _END_TO_END.search(details)
        given = match[1] if match else _plain(data.get("customer_reference"))
    return "" if given.upper() in _NOTHING else given[:35]
