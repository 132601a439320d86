"""What a statement file may look like, and what makes it unbelievable."""

import csv
import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.errors import StatementRefused
from reconciliation.statements import reader
from reconciliation.statements.layouts import LAYOUTS
from reconciliation.statements.reader import pick_lines, read_statement
from tests.reconciliation.conftest import HEADER

LAYOUT = LAYOUTS["sandbox"]
GOOD = "TAKE,pay_1,pay_1,stx_1,USD,1999,88,1911,z"


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def read(body: bytes | str, *, size: int = 17) -> list[list[str]]:
    """All rows as they would be staged, the file coming in small pieces."""
    raw = body.encode() if isinstance(body, str) else body
    stretches = read_statement(pieces(raw, size), LAYOUT)
    return [list(stretch.row(position)) for stretch in stretches for position in range(len(stretch.references))]


def refusal(body: bytes | str, **options: Any) -> tuple[str, int]:
    with pytest.raises(StatementRefused) as caught:
        read(body, **options)
    assert caught.value.code in StatementRefused.CODES
    return caught.value.code, caught.value.line


def file_of(*lines: str, header: str = HEADER, end: str = "\r\n") -> str:
    return "".join(line + end for line in (header, *lines))


ROW = ["2", "pay_1", "t", "", "1999", "88", "USD"]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("quote", [GOOD, GOOD.replace("pay_1", '"pay_1"', 1)])
def test_lines_are_read_in_pieces_of_any_size_with_either_line_end(size: int, end: str, quote: str) -> None:
    rows = read(file_of(quote, GOOD.replace("TAKE", "GIVE_BACK").replace("1999", "-7"), end=end), size=size)
    assert rows == [ROW, ["3", "pay_1", "g", "", "-7", "88", "USD"]]


def test_columns_are_found_by_name_and_unknown_ones_are_left_alone() -> None:
    header = "extra,net,fee,gross,coin,txn,payment_reference,reference,kind"
    assert read(file_of("=1+1,0,88,1999,USD,stx,pay_1,pay_1,TAKE", header=header)) == [ROW]


def test_a_part_of_a_payment_names_its_payment() -> None:
    assert read(file_of("TAKE,cap_1,pay_1,t,USD,5,1,4,z"))[0][:4] == ["2", "cap_1", "t", "pay_1"]


def test_a_byte_order_mark_is_no_text_and_an_unlisted_kind_is_kept() -> None:
    assert read("\ufeff" + file_of(GOOD.replace("TAKE", "CHARGEBACK"))) == [[*ROW[:2], "o", *ROW[3:]]]


def test_formulas_quotes_and_backslashes_are_data() -> None:
    names = ["=cmd|' /C calc'!A0", "\\.", "a\\b", "@SUM(1)", "-1+1", "\\N", "参考"]
    rows = read(file_of(*(f"TAKE,{name},{name},t,USD,1,0,1,z" for name in names)))
    assert [row[1] for row in rows] == names
    quoted = read(file_of('TAKE,"a,""b",p,t,USD,1,0,1,z', 'TAKE,"two\nlines",p,t,USD,1,0,1,z'))
    assert [row[1] for row in quoted] == ['a,"b', "two\nlines"]
    assert [row[0] for row in quoted] == ["2", "3"]


def test_a_file_with_a_header_only_is_a_day_without_business() -> None:
    assert read(file_of()) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ("empty_file", 0)),
        (file_of(GOOD)[:-2], ("truncated", 2)),
        (file_of(GOOD, GOOD)[:-20], ("truncated", 3)),
        (HEADER, ("truncated", 1)),
        (file_of(GOOD, "TAKE,pay_1"), ("wrong_number_of_fields", 3)),
        (file_of(GOOD, GOOD + ",more"), ("wrong_number_of_fields", 3)),
        # One cell too few and one too many on neighbouring lines do not make up for each other.
        (file_of(GOOD, "TAKE,pay_1,pay_1,stx_1,USD,1999,88,1911", "z," + GOOD), ("wrong_number_of_fields", 3)),
        (file_of(GOOD, ""), ("wrong_number_of_fields", 3)),
        (file_of(GOOD, header=HEADER.replace("fee", "cost")), ("no_such_column", 1)),
        (file_of(GOOD, header=HEADER.replace("at", "fee")), ("column_twice", 1)),
        (file_of(GOOD).encode("utf-16"), ("wrong_encoding", 1)),
        (file_of(GOOD).encode("utf-16-le"), ("wrong_encoding", 0)),
        (file_of(GOOD.replace("stx_1", "\xfc")).encode("latin-1"), ("wrong_encoding", 1)),
        (file_of(GOOD, GOOD.replace("1999", "19.99")), ("bad_amount", 3)),
        (file_of(GOOD.replace("1999", "")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "1_999")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "0x7CF")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "１９")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "--5")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "5-")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "-")), ("bad_amount", 2)),
        (file_of(GOOD.replace("1999", "9" * 17)), ("bad_amount", 2)),
        (file_of(GOOD.replace("88", "NaN")), ("bad_amount", 2)),
        (file_of(GOOD.replace("USD", "XXX")), ("bad_currency", 2)),
        (file_of(GOOD.replace("USD", "usd")), ("bad_currency", 2)),
        (file_of(GOOD.replace("pay_1", "", 1)), ("bad_reference", 2)),
        (file_of(GOOD.replace("pay_1", "p" * 129)), ("bad_reference", 2)),
        (file_of('TAKE,"pay_1,pay_1,stx_1,USD,1999,88,1911,z'), ("not_csv", 2)),
        (file_of('TAKE,"pay"_1,pay_1,stx_1,USD,1999,88,1911,z'), ("not_csv", 2)),
        ("x" * 70_000, ("line_too_long", 1)),
    ],
)
def test_what_cannot_be_believed_refuses_the_whole_file(body: bytes | str, expected: tuple[str, int]) -> None:
    found = refusal(body, size=1024)
    assert found[0] == expected[0]
    if expected[0] not in ("wrong_encoding", "not_csv"):
        assert found == expected


def test_more_lines_than_a_statement_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_LINES", 2)
    assert len(read(file_of(GOOD, GOOD))) == 2
    assert refusal(file_of(GOOD, GOOD, GOOD))[0] == "too_many_lines"


cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"), max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(cells.filter(bool), cells), max_size=20), st.integers(1, 50), st.randoms())
def test_any_text_in_a_cell_survives(lines: list[tuple[str, str]], size: int, dice: random.Random) -> None:
    """What the csv module writes, quoted or not, is read back as it was, in whatever pieces it comes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer.writerow(HEADER.split(","))
    writer.writerows([["TAKE", ours, other, "t", "USD", 1, 0, 1, "z"] for ours, other in lines])

    rows = read(text.getvalue(), size=size)

    expected = [[str(i + 2), ours, "t", "" if ours == other else other] for i, (ours, other) in enumerate(lines)]
    assert [row[:4] for row in rows] == expected


def test_whole_lines_are_picked_by_their_numbers() -> None:
    body = file_of(GOOD, GOOD.replace("stx_1", '"stx,2"'), GOOD.replace("stx_1", "stx_3")).encode()
    found = pick_lines(pieces(body, 13), LAYOUT, numbers={3, 4})
    assert {number: line["txn"] for number, line in found.items()} == {3: "stx,2", 4: "stx_3"}
