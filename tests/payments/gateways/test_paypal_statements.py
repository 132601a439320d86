"""Transaction Search as it is fetched, and the settlement report as people bring it: the same lines from both."""

import io
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.contract import GatewayOutcomeUnknown
from tests.payments.gateways.contract_harness import a_payment, a_refund, hold, paid
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.simulators.paypal.reporting import settlement_report

DAY = date(2027, 1, 15)
A_DAY_SECONDS = 86_400


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


def lines_of(harness: PayPalHarness, file: bytes) -> list[StatementLine]:
    return list(harness.gateway.read_statement(io.BytesIO(file)))


def a_day_of_everything(harness: PayPalHarness) -> None:
    """A payment with a refund, and a held one taken in two parts."""
    harness.refund(a_refund(harness, paid(harness), amount_minor=234))
    harness.pay(a_payment(harness, reference="pay_2", capture=False))
    for amount, reference in ((400, "cap_1"), (834, "cap_2")):
        harness.gateway.capture_payment(
            "pay_2",
            capture_reference=reference,
            amount_minor=amount,
            currency="USD",
            gateway_reference=harness.told["pay_2"],
        )


def fetched(harness: PayPalHarness) -> bytes:
    harness.clock.advance(A_DAY_SECONDS)
    file = harness.gateway.fetch_statement(DAY)
    assert file is not None
    return file


def test_fetched_day_has_every_movement_by_our_numbers(harness: PayPalHarness) -> None:
    a_day_of_everything(harness)
    lines = lines_of(harness, fetched(harness))
    assert [
        (line.kind, line.reference, line.payment_reference, line.amount_minor, line.fee_minor) for line in lines
    ] == [
        ("take", "pay_1", "pay_1", 1234, 92),
        ("give_back", "ref_1", "pay_1", 234, 0),
        ("take", "cap_1", "pay_2", 400, 63),
        ("take", "cap_2", "pay_2", 834, 78),
    ]
    assert {line.currency for line in lines} == {"USD"}
    assert [line.gateway_reference for line in lines][:1] == list(harness.world.captures)[:1]
    assert lines[0].occurred_at == datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def test_settlement_report_says_the_same(harness: PayPalHarness) -> None:
    a_day_of_everything(harness)
    assert lines_of(harness, settlement_report(harness.world)) == lines_of(harness, fetched(harness))


def test_day_is_not_there_until_paypal_knows_all_of_it(harness: PayPalHarness) -> None:
    paid(harness)
    assert harness.gateway.fetch_statement(DAY) is None
    assert harness.transport.asked("/reporting/") == []
    harness.clock.advance(16 * 3600)  # the day is over; PayPal knows until an hour ago
    assert harness.gateway.fetch_statement(DAY) is None
    harness.clock.advance(3600)
    assert harness.gateway.fetch_statement(DAY) is not None


def test_day_without_anything_is_an_empty_statement(harness: PayPalHarness) -> None:
    assert lines_of(harness, fetched(harness)) == []


def test_busy_day_is_asked_for_in_halves_and_page_by_page(harness: PayPalHarness) -> None:
    for number in range(30):
        harness.pay(a_payment(harness, reference=f"pay_{number}"))
        harness.clock.advance(600)
    harness.transport.max_found = 10
    lines = lines_of(harness, fetched(harness))
    assert [line.reference for line in lines] == [f"pay_{number}" for number in range(30)]
    assert len(harness.transport.asked("/reporting/")) > 4


def test_many_pages_are_all_read(harness: PayPalHarness) -> None:
    paid(harness)
    harness.world.transactions *= 1201
    file = fetched(harness)
    assert len(harness.transport.asked("/reporting/")) == 3
    assert len(lines_of(harness, file)) == 1201


def test_pending_and_denied_transactions_moved_no_money(harness: PayPalHarness) -> None:
    paid(harness)
    for status in ("P", "D"):
        harness.world.transactions.append(
            {"transaction_info": harness.world.transactions[0]["transaction_info"] | {"transaction_status": status}}
        )
    assert len(lines_of(harness, fetched(harness))) == 1


@pytest.mark.parametrize(("code", "amount"), [("T1106", "-12.34"), ("T0400", "-5.00"), ("T0006", "-1.00")])
def test_other_movements_are_other(harness: PayPalHarness, code: str, amount: str) -> None:
    paid(harness)
    info = harness.world.transactions[0]["transaction_info"]
    info |= {"transaction_event_code": code, "transaction_amount": {"currency_code": "USD", "value": amount}}
    assert [line.kind for line in lines_of(harness, fetched(harness))] == ["other"]


def test_trouble_while_fetching_is_unknown_and_nothing_is_kept(harness: PayPalHarness) -> None:
    paid(harness)
    harness.clock.advance(A_DAY_SECONDS)
    harness.transport.trouble("/reporting/", "answer:<html>")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_statement(DAY)


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"<html>",
        b"PK\x03\x04 a zip",
        b"[",
        b"[{}]",
        b"[]]",
        b"[],",
        b"[7]",
        b'[{"transaction_details": []}',
        b'[{"transaction_details": []},]',
        b'[{"transaction_details": []} {"transaction_details": []}]',
        b'[{"transaction_details": [{"transaction_info": {}}]}]',
        b'[{"transaction_details": []}, \xff\xfe]',
        b"[" * 100_000,
    ],
)
def test_file_that_is_not_paypals_is_unreadable(harness: PayPalHarness, file: bytes) -> None:
    with pytest.raises(StatementUnreadable):
        lines_of(harness, file)


def test_unreadable_amount_says_where(harness: PayPalHarness) -> None:
    paid(harness)
    harness.world.transactions[0]["transaction_info"]["fee_amount"]["currency_code"] = "EUR"
    with pytest.raises(StatementUnreadable, match="page 1, transaction 1"):
        lines_of(harness, fetched(harness))


def test_letters_cut_in_two_by_the_end_of_a_chunk_are_whole(harness: PayPalHarness) -> None:
    padding = "é" * 700_000
    page = {"transaction_details": [], "note": padding}
    file = json.dumps([page, page], ensure_ascii=False).encode()
    assert lines_of(harness, b"\xef\xbb\xbf" + file) == []


# --- the settlement report ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b',"CR",1234,', b',"CR",1235,'),
        (b',"CR",1234,', b',"CR",-1234,'),
        (b',"CR",1234,', b',"CR",12.34,'),
        (b',"CR",1234,', b',"XX",1234,'),
        (b'"SC",4', b'"SC",5'),
        (b'"SF","USD"', b'"SF","EUR"'),
        (b'"RH"', b'"XX"'),
        (b'"FH",01', b'"??",01'),
        (b"Transaction  Debit or Credit", b"Transaction Sign"),
        (b'"CR",1234,"USD"', b'"CR",1234,"XXX"'),
        (b'08:00:00 +0000,"CR"', b'08:00,"CR"'),
        (b'"SB"', b'"SB'),
    ],
)
def test_report_that_does_not_add_up_is_unreadable(harness: PayPalHarness, old: bytes, new: bytes) -> None:
    a_day_of_everything(harness)
    report = settlement_report(harness.world)
    assert old in report
    with pytest.raises(StatementUnreadable):
        lines_of(harness, report.replace(old, new, 1))


def test_report_that_is_cut_off_anywhere_is_unreadable(harness: PayPalHarness) -> None:
    a_day_of_everything(harness)
    rows = settlement_report(harness.world).split(b"\r\n")
    last_count = next(number for number, row in enumerate(rows) if row.startswith(b'"SC"'))
    for length in range(last_count + 1):
        with pytest.raises(StatementUnreadable):
            lines_of(harness, b"\r\n".join(rows[:length]))


@pytest.mark.parametrize(
    ("currency", "amount_minor", "decimals", "written_in"),
    [("JPY", 1234, 0, "units"), ("JPY", 1234, 2, "hundredths"), ("HUF", 123_400, 0, "units")],
)
def test_currency_without_decimals_is_read_as_the_account_says_and_not_at_all_without(
    harness: PayPalHarness, currency: str, amount_minor: int, decimals: int, written_in: str
) -> None:
    harness.pay(a_payment(harness, currency=currency, amount_minor=amount_minor))
    report = settlement_report(harness.world, decimals=decimals)
    with pytest.raises(StatementUnreadable, match="settlement_zero_decimals"):
        lines_of(harness, report)
    harness.gateway = harness.connect(settlement_zero_decimals=written_in)
    [line] = lines_of(harness, report)
    assert (line.amount_minor, line.currency) == (amount_minor, currency)


def test_hold_alone_is_in_no_statement(harness: PayPalHarness) -> None:
    hold(harness)
    assert lines_of(harness, fetched(harness)) == []


def test_reading_a_long_file_holds_one_page_at_a_time(harness: PayPalHarness) -> None:
    paid(harness)
    page = json.dumps({"transaction_details": harness.world.transactions * 100}).encode()

    class Endless(io.RawIOBase):
        """Pages without end: a reader that wanted the whole file would never yield."""

        def read(self, size: int = -1) -> bytes:
            return (
                b"[" + page if not self.__dict__.setdefault("begun", []) and not self.begun.append(1) else b"," + page
            )

    stream: Any = Endless()
    lines = harness.gateway.read_statement(stream)
    assert [next(lines).reference for _ in range(1000)] == ["pay_1"] * 1000
