"""Bank files: everybody's oddities are read, and what cannot be believed is refused whole."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from payments.orders.models import Payment
from reconciliation import tasks
from reconciliation.banking.errors import BankFileTooLarge, NotABankAccount
from reconciliation.banking.formats import read_any, read_bank_file
from reconciliation.banking.lines import BankFileRefused, prove, references_in
from reconciliation.banking.models import BankEntry, BankStatement
from reconciliation.banking.receiving import read_stored_file, store_bank_file
from tests.reconciliation.bank_desk import OUR_IBAN, PAYER_IBAN, BankDesk, Said, camt, mt940

FILES = Path(__file__).parent / "bank_files"
REFUSED = {
    "empty_non_swift": "not_a_bank_file",
    "invalid_statement": "not_a_bank_file",
    "raphaelm": "bad_amount",  # Deutsche Mark
    "sparkassen": "no_statement",  # one line, of no account
}
WHOLE = {
    "february_30", "generic", "long_statement_number", "rabobank-iban", "sns", "transaction_details_wrapped",
    "wrapped_timestamp",
}  # fmt: skip
"""Their figures still add up; in the others somebody has made them unreadable."""
SAMPLES = sorted(path.stem for path in FILES.glob("*.sta"))


def expected_amounts(name: str) -> list[Decimal]:
    """The corpus was dumped as Python objects: its tree is walked, nothing of it is built."""
    root = yaml.compose((FILES / f"{name}.yml").read_text(), yaml.SafeLoader)
    found: dict[int, Decimal] = {}
    seen: set[int] = set()

    def walk(node: Any) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if str(node.tag).endswith("mt940.models.Transaction"):
            amount = child(child(child(node, "data"), "amount"), "amount")
            found[id(node)] = Decimal(amount.value[0].value)
        elif isinstance(node, yaml.MappingNode):
            for _key, value in node.value:
                walk(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                walk(value)

    walk(root)
    return list(found.values())


def child(node: Any, name: str) -> Any:
    return next(value for key, value in node.value if key.value == name)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in REFUSED])
def test_a_sample_is_read_as_its_expectation_says(name: str) -> None:
    found_format, statements = read_any((FILES / f"{name}.sta").read_bytes())
    amounts = [Decimal(line.signed_minor).scaleb(-2) for one in statements for line in one.lines]
    assert found_format == "mt940"
    assert amounts == expected_amounts(name)
    assert all(line.currency in ("EUR", "HUF", "CHF", "TRY") for one in statements for line in one.lines)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_sample_that_is_no_whole_statement_is_refused(name: str) -> None:
    with pytest.raises(BankFileRefused) as refusal:
        read_any((FILES / f"{name}.sta").read_bytes())
    assert refusal.value.code == REFUSED[name]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in REFUSED])
def test_a_sample_is_believed_exactly_when_its_figures_add_up(name: str) -> None:
    _format, statements = read_any((FILES / f"{name}.sta").read_bytes())
    codes = set()
    for one in statements:
        try:
            prove(one)
        except BankFileRefused as refusal:
            codes.add(refusal.code)
    assert (codes == set()) == (name in WHOLE)
    assert codes <= {"no_balance", "balance_does_not_fit"}


def test_the_thirtieth_of_february_is_a_day_that_exists() -> None:
    _format, (statement,) = read_any((FILES / "february_30.sta").read_bytes())
    (line,) = statement.lines
    assert (line.value_on.isoformat(), line.booked_on.isoformat()) == ("2016-02-29", "2016-03-01")


def test_an_old_code_page_is_read() -> None:
    _format, (statement,) = read_any((FILES / "raiffeisen-cmi.sta").read_bytes())
    assert "átutalás" in statement.lines[0].remittance


@pytest.mark.parametrize("name", ["v2.minimal", "v2.with-account-name", "v2.with-party-ids", "v4"])
def test_a_camt_sample_is_read_and_its_impossible_balances_are_refused(name: str) -> None:
    found_format, (statement,) = read_any((FILES / f"camt053.{name}.xml").read_bytes())
    (line,) = statement.lines
    assert found_format == "camt053"
    assert (line.amount_minor, line.currency, line.is_credit, line.booked_on.isoformat()) == (
        885, "EUR", True, "2014-12-31",
    )  # fmt: skip
    if name != "v2.with-account-name":
        assert (line.name, line.iban, line.remittance) == ("NAME NAME", "NL56AGDH9619008421", "4654654654654654")
        assert statement.account == "NL26VAYB8060476890"
    with pytest.raises(BankFileRefused):
        prove(statement)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RF91FGHJKMNPQRSTVWXY", ["RF91FGHJKMNPQRSTVWXY"]),
        ("pay rf91 fghj-kmnp qrst.vwxy now", ["RF91FGHJKMNPQRSTVWXY"]),
        ("?20RF91FGHJKM?21NPQRSTVWXY?22thanks", ["RF91FGHJKMNPQRSTVWXY"]),
        ("RFRF91FGHJKMNPQRSTVWXYRF", ["RF91FGHJKMNPQRSTVWXY"]),
        ("RF92FGHJKMNPQRSTVWXY", []),
        ("RF91FGHJKMNPQRSTVWX", []),
        ("", []),
    ],
)
def test_references_are_found_when_their_check_digits_are_right(text: str, found: list[str]) -> None:
    assert references_in(text) == found


def test_a_bank_may_name_the_account_in_the_german_way() -> None:
    read_bank_file(mt940([Said("1.00")], account="37040044/0532013000"), iban=OUR_IBAN)
    with pytest.raises(BankFileRefused, match="wrong_account"):
        read_bank_file(mt940([Said("1.00")], account="37040044/0532013001"), iban=OUR_IBAN)


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]><Document>&lol3;</Document>"""
GOOD = camt([Said("1.00", text="x")])


def doctype_in(encoding: str) -> bytes:
    text = GOOD.decode().replace('encoding="UTF-8"?>', f'encoding="{encoding}"?><!DOCTYPE Document [<!ENTITY a "b">]>')
    return text.encode(encoding)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_file"),
        (b"  \r\n", "empty_file"),
        (b"hello", "not_a_bank_file"),
        (b"PK\x03\x04" + b"\x00" * 100, "wrong_encoding"),
        (LAUGHS, "has_dtd"),
        (GOOD.replace(b"?>", b'?><!DOCTYPE Document SYSTEM "http://evil.example/x.dtd">', 1), "has_dtd"),
        (doctype_in("UTF-16"), "wrong_encoding"),
        (doctype_in("UTF-7"), "has_dtd|not_xml|not_a_bank_file|wrong_encoding"),
        (GOOD[:-30], "not_xml"),
        (GOOD.replace(b"001.08", b"001.09"), "unsupported_version"),
        (GOOD.replace(b"BkToCstmrStmt", b"BkToCstmrAcct"), "not_valid"),
        (GOOD.replace(b">1.00<", b">-1.00<"), "not_valid"),
        (GOOD.replace(b">1.00<", b">1.001<"), "bad_amount"),
        (GOOD.replace(b">1.00<", b">1.01<"), "balance_does_not_fit"),
        (GOOD.replace(b'"EUR">1.00', b'"USD">1.00'), "mixed_currencies"),
        (GOOD.replace(b'"EUR">1.00', b'"XXX">1.00'), "bad_amount"),
        (camt([Said("9000000000000000.00")]), "bad_amount"),
        (mt940([Said("9000000000000000.00")]), "bad_amount|line_not_understood|no_balance"),
        (camt([Said("1.00")], closing=""), "no_balance"),
        (camt([Said("1.00")], iban=PAYER_IBAN), "wrong_account"),
        (GOOD.replace(OUR_IBAN.encode(), b"DE88370400440532013000"), "wrong_account"),
        (mt940([Said("1.00")], closing=1), "balance_does_not_fit"),
        (mt940([Said("1.00"), Said("2.00")])[:-120], "no_balance"),
        (mt940([Said("1.00")]).replace(b"1,00", b"-1,00"), "line_not_understood"),
        (mt940([Said("1.00")]).replace(b"CR", b"XX").replace(b"120C1", b"120X1"), "line_not_understood"),
        (mt940([Said("1.00")], account=PAYER_IBAN), "wrong_account"),
        (mt940([Said("1.00")]) + b"\x00", "wrong_encoding"),
    ],
)  # fmt: skip
@pytest.mark.django_db
def test_a_file_that_cannot_be_believed_leaves_nothing(desk: BankDesk, body: bytes, code: str) -> None:
    payment = desk.asked(100)
    statement = desk.reads(body)
    assert statement.status == "refused"
    assert statement.failure_code in code.split("|"), (statement.failure_code, statement.failure_detail)
    assert BankEntry.objects.count() == 0
    payment.refresh_from_db()
    assert payment.status == "requires_action"


def test_a_return_is_told_by_its_sign_in_both_formats() -> None:
    body = mt940([Said("1.00")]).replace(b"120C1,00", b"120RD1,00")
    _format, (statement,) = read_any(body)
    assert [(line.is_return, line.is_credit) for line in statement.lines] == [(True, True)]
    prove(statement)
    _format, (statement,) = read_any(camt([Said("1.00", is_return=True)]))
    assert [(line.is_return, line.is_credit) for line in statement.lines] == [(True, True)]


@pytest.mark.django_db
def test_a_file_that_breaks_us_does_not_keep_others_waiting(desk: BankDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [store_bank_file(desk.account.id, [camt([Said(amount)])]).id for amount in ("1.00", "2.00")]
    read = tasks.read_stored_file

    def break_on_the_first(statement_id: str) -> object:
        if statement_id == ids[0]:
            raise ZeroDivisionError
        return read(statement_id)

    monkeypatch.setattr(tasks, "read_stored_file", break_on_the_first)
    with pytest.raises(ExceptionGroup):
        tasks.read_bank_statements()
    assert dict(BankStatement.objects.values_list("id", "status")) == {ids[0]: "received", ids[1]: "read"}


@pytest.mark.django_db
def test_a_line_that_breaks_us_does_not_keep_others_waiting(desk: BankDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.reads(camt([Said("1.00"), Said("2.00")]))
    ids = list(BankEntry.objects.order_by("id").values_list("id", flat=True))
    settle = tasks.settle_entry

    def break_on_the_first(entry_id: str) -> object:
        if entry_id == ids[0]:
            raise ZeroDivisionError
        return settle(entry_id)

    monkeypatch.setattr(tasks, "settle_entry", break_on_the_first)
    monkeypatch.setattr(tasks, "due_entries", lambda *, limit: ids)
    with pytest.raises(ExceptionGroup):
        tasks.settle_bank_lines()
    assert dict(BankEntry.objects.values_list("id", "status")) == {ids[0]: "received", ids[1]: "open"}


@pytest.mark.django_db
class TestStoring:
    def test_the_same_file_again_changes_nothing(self, desk: BankDesk, all_is_whole: Callable[[], None]) -> None:
        payment = desk.asked()
        body = camt([Said("100.00", text=payment.gateway_reference)])
        first, second = desk.reads(body), desk.reads(body)
        desk.settles()
        assert first.id == second.id
        assert (BankStatement.objects.count(), BankEntry.objects.count()) == (1, 1)
        assert read_stored_file(first.id).status == "read"
        assert Payment.objects.get().status == "succeeded"
        all_is_whole()

    def test_days_that_were_read_in_one_format_are_refused_in_the_other(self, desk: BankDesk) -> None:
        lines = [Said("5.00", text="tip")]
        assert desk.reads(camt(lines)).status == "read"
        again = desk.reads(mt940(lines))
        assert (again.status, again.failure_code) == ("refused", "other_format")
        assert BankEntry.objects.count() == 1

    def test_names_and_texts_cannot_be_read_from_a_dump(self, desk: BankDesk) -> None:
        from django.db import connection

        desk.receives(Said("5.00", text="a secret gift"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT e::text || s::text FROM reconciliation_bankentry e, reconciliation_bankstatement s")
            dump = str(cursor.fetchall())
        assert BankEntry.objects.get().counterparty_name == "Ada Payer"
        for word in ("secret", "Ada Payer", PAYER_IBAN):
            assert word not in dump
            assert word.encode().hex() not in dump

    def test_an_account_of_another_gateway_has_no_bank_statements(self, desk: BankDesk, account: Any) -> None:
        with pytest.raises(NotABankAccount):
            store_bank_file(account.id, [b"x"])
        with pytest.raises(BankFileTooLarge):
            store_bank_file(desk.account.id, (b"x" * 1024 * 1024 for _piece in range(17)))
        assert BankStatement.objects.count() == 0
