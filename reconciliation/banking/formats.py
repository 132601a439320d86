"""Which format a file is in, and its statements, each proved."""

from reconciliation.banking.camt_files import read_camt
from reconciliation.banking.lines import AccountStatement, BankFileRefused, is_of, prove
from reconciliation.banking.mt940_files import read_mt940

MT940, CAMT053 = "mt940", "camt053"
MAX_LINES = 50_000


def read_bank_file(body: bytes, *, iban: str) -> tuple[str, list[AccountStatement]]:
    """The format and the statements of this account; one line that cannot be believed refuses all. BankFileRefused."""
    found_format, statements = read_any(body)
    for statement in statements:
        if not is_of(statement, iban):
            raise BankFileRefused("wrong_account", statement.account[:60])
        prove(statement)
    if sum(len(statement.lines) for statement in statements) > MAX_LINES:
        raise BankFileRefused("too_many_lines")
    return found_format, statements


def read_any(body: bytes) -> tuple[str, list[AccountStatement]]:
    """As it is written, unproved."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        raise BankFileRefused("empty_file")
    if start == b"<" or b"\x00" in body[:64]:
        return CAMT053, read_camt(body)
    if b":20:" not in body and b":61:" not in body:
        raise BankFileRefused("not_a_bank_file")
    return MT940, read_mt940(body)
