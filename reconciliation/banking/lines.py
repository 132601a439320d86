"""What a bank's file says, whatever its format; and the proof that it is whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from stdnum import iso11649

_REFERENCE = re.compile(r"(?=(RF\d{2}[0-9A-Z]{16}))")
MOST_MINOR = 10**15
"""More than any line's, and far less than a column or a balance can hold."""
_SUBFIELD = re.compile(r"\?\d\d")
_NOT_IN_A_REFERENCE = re.compile(r"[^0-9A-Z]")


class BankFileRefused(Exception):
    """The file cannot be believed; nothing of it is used. Kept on the statement, for people."""

    CODES: ClassVar = {
        "empty_file": _("The file is empty."),
        "not_a_bank_file": _("The file is neither MT940 nor camt.053."),
        "wrong_encoding": _("The file is not in an encoding that is read here."),
        "has_dtd": _("The file declares a document type. No bank does that."),
        "not_xml": _("The file is not whole XML."),
        "unsupported_version": _("This version of camt.053 is not read here."),
        "not_valid": _("The file does not follow its own schema."),
        "line_not_understood": _("A booked line could not be read."),
        "bad_amount": _("An amount is not one of its currency."),
        "no_statement": _("There is no statement in the file."),
        "no_balance": _("The opening or the closing balance is missing: the file may have been cut off."),
        "mixed_currencies": _("One statement speaks of several currencies."),
        "balance_does_not_fit": _("The opening balance and the lines do not come to the closing balance."),
        "wrong_account": _("The file is about another account."),
        "other_format": _("The same days were read from a file of another format: its lines would count twice."),
        "too_many_lines": _("The file has more lines than one file may have."),
    }

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code} {detail}".strip())


@dataclass(frozen=True, slots=True)
class Line:
    """One booked movement. ``amount_minor`` is positive; a credit came in. ``is_return``: a payment of ours that came
    back. Names and numbers are the other side's."""

    amount_minor: int
    currency: str
    is_credit: bool
    booked_on: date
    value_on: date
    remittance: str = ""
    end_to_end_id: str = ""
    bank_reference: str = ""
    name: str = ""
    iban: str = ""
    is_return: bool = False

    @property
    def signed_minor(self) -> int:
        return self.amount_minor if self.is_credit else -self.amount_minor


@dataclass(frozen=True, slots=True)
class Balance:
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """One account's stretch of lines, in the file's order. ``account`` is what the bank calls it there."""

    account: str
    lines: Sequence[Line]
    opening: Balance | None
    closing: Balance | None


def prove(statement: AccountStatement) -> None:
    """Nothing is missing and nothing too much: what was there and what moved is what is there. BankFileRefused."""
    if statement.opening is None or statement.closing is None:
        raise BankFileRefused("no_balance", statement.account)
    currencies = {line.currency for line in statement.lines}
    currencies |= {statement.opening.currency, statement.closing.currency}
    if len(currencies) != 1:
        raise BankFileRefused("mixed_currencies", ", ".join(sorted(currencies)))
    if any(line.amount_minor > MOST_MINOR for line in statement.lines):
        raise BankFileRefused("bad_amount", str(max(line.amount_minor for line in statement.lines))[:60])
    moved = sum(line.signed_minor for line in statement.lines)
    if statement.opening.amount_minor + moved != statement.closing.amount_minor:
        facts = f"{statement.opening.amount_minor} + {moved} ≠ {statement.closing.amount_minor}"
        raise BankFileRefused("balance_does_not_fit", facts)


def is_of(statement: AccountStatement, iban: str) -> bool:
    """Whether the file means this account: by IBAN, or in the German way by bank code and number."""
    said = statement.account.upper().replace(" ", "")
    if said.removesuffix(statement.opening.currency if statement.opening else "") == iban:
        return True
    bank, slash, number = said.partition("/")
    inside = iban[4:]
    return bool(slash) and number.isdigit() and bank + number.zfill(len(inside) - len(bank)) == inside


def references_in(*texts: str) -> list[str]:
    """Creditor references (ISO 11649, check digits right) of our length, wherever they stand: payers break them in
    blocks, write them small, and put words around them. Each once, in the order of the text."""
    found: dict[str, None] = {}
    for text in texts:
        plain = _NOT_IN_A_REFERENCE.sub("", _SUBFIELD.sub("", text).upper())
        found |= dict.fromkeys(match for match in _REFERENCE.findall(plain) if iso11649.is_valid(match))
    return list(found)
