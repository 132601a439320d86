"""Stripe's report as a statement: asked for once, waited for, read line by line and believed only when it adds up."""

import io
from datetime import UTC, date, datetime, timedelta

import pytest

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.contract import GatewayOutcomeUnknown
from payments.gateways.stripe.statements import COLUMNS, MAX_LINE_BYTES
from tests.payments.gateways.contract_harness import a_payment, a_refund, paid
from tests.payments.gateways.stripe_harness import StripeHarness, gateway_on


@pytest.fixture
def harness() -> StripeHarness:
    harness = StripeHarness()
    harness.clock.now = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
    return harness


DAY = date(2026, 3, 10)


def _statement(harness: StripeHarness) -> bytes:
    harness.clock.advance(86_400)
    assert harness.gateway.fetch_statement(DAY) is None
    harness.simulator.desk.finish_reports()
    file = harness.gateway.fetch_statement(DAY)
    assert file is not None
    return file


def _lines(harness: StripeHarness, file: bytes) -> list[StatementLine]:
    return list(harness.gateway.read_statement(io.BytesIO(file)))


def _runs(harness: StripeHarness) -> int:
    return len(harness.simulator.book.all_of("reporting.report_run"))


def test_report_is_asked_for_once_and_there_when_stripe_is_done(harness: StripeHarness) -> None:
    paid(harness)
    assert harness.gateway.fetch_statement(DAY) is None
    assert _runs(harness) == 0  # the day is not over: Stripe has no data yet
    harness.clock.advance(86_400)
    for _ in range(3):
        assert harness.gateway.fetch_statement(DAY) is None
    assert _runs(harness) == 1
    harness.simulator.desk.finish_reports()
    first = harness.gateway.fetch_statement(DAY)
    assert first == harness.gateway.fetch_statement(DAY)
    assert first is not None
    assert first.startswith(b'"balance_transaction_id"')
    assert _runs(harness) == 1


def test_run_of_another_day_or_with_other_columns_is_not_taken_for_this_one(harness: StripeHarness) -> None:
    paid(harness)
    _statement(harness)
    assert harness.gateway.fetch_statement(DAY - timedelta(days=1)) is None
    assert _runs(harness) == 2
    for run in harness.simulator.book.all_of("reporting.report_run"):
        run["parameters"]["columns"] = ["created"]
    assert harness.gateway.fetch_statement(DAY) is None


def test_failed_run_is_asked_for_anew(harness: StripeHarness) -> None:
    harness.clock.advance(86_400)
    assert harness.gateway.fetch_statement(DAY) is None
    harness.simulator.book.all_of("reporting.report_run")[0]["status"] = "failed"
    assert harness.gateway.fetch_statement(DAY) is None
    assert _runs(harness) == 2


def test_lines_carry_our_numbers_and_smallest_units(harness: StripeHarness) -> None:
    payment = paid(harness)
    harness.refund(a_refund(harness, payment, amount_minor=234))
    take, back = _lines(harness, _statement(harness))
    assert (take.kind, take.reference, take.payment_reference) == ("take", "pay_1", "pay_1")
    assert (take.amount_minor, take.fee_minor, take.currency) == (1234, 66, "USD")
    assert take.gateway_reference == payment.gateway_reference
    assert take.occurred_at == datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert (back.kind, back.reference, back.payment_reference) == ("give_back", "ref_1", "pay_1")
    assert (back.amount_minor, back.fee_minor) == (234, 0)


def test_captured_hold_is_a_line_under_the_captures_number(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, capture=False))
    harness.take(amount_minor=1234)
    [line] = _lines(harness, _statement(harness))
    assert (line.reference, line.payment_reference) == ("cap_1", "pay_1")


def test_payment_settled_in_another_currency_is_compared_in_its_own(harness: StripeHarness) -> None:
    harness.pay(a_payment(harness, currency="EUR"))
    [line] = _lines(harness, _statement(harness))
    assert (line.amount_minor, line.fee_minor, line.currency) == (1234, 0, "EUR")


def test_refund_that_came_back_and_a_dispute_are_other_lines(harness: StripeHarness) -> None:
    harness.refund(a_refund(harness, paid(harness), amount_minor=234))
    harness.simulator.intents.fail_refund(harness.simulator.book.all_of("refund")[0], "unknown")
    charge = harness.simulator.charge_of("pay_1")
    harness.simulator.desk.open_dispute(charge, amount=1000, reason="fraudulent", status="needs_response")
    assert [line.kind for line in _lines(harness, _statement(harness))] == ["take", "give_back", "other", "other"]


def test_payout_report_can_be_chosen_and_reads_the_same(harness: StripeHarness) -> None:
    settings = {"report_type": "payout_reconciliation.itemized.5"}
    gateway = gateway_on(harness.simulator, harness.simulator, settings=settings)
    paid(harness)
    harness.clock.advance(86_400)
    assert gateway.fetch_statement(DAY) is None
    [run] = harness.simulator.book.all_of("reporting.report_run")
    assert run["report_type"] == "payout_reconciliation.itemized.5"
    assert tuple(run["parameters"]["columns"]) == COLUMNS


# --- reading what may be anything -----------------------------------------------------------------------------------

GOOD = {
    "balance_transaction_id": "txn_1",
    "created": "2026-03-10 12:00:00",
    "currency": "usd",
    "gross": "12.34",
    "fee": "0.66",
    "net": "11.68",
    "reporting_category": "charge",
    "source_id": "ch_1",
    "customer_facing_amount": "12.34",
    "customer_facing_currency": "usd",
    "charge_id": "ch_1",
    "payment_intent_id": "pi_1",
    "payment_metadata[reference]": "pay_1",
    "payment_metadata[capture]": "",
    "refund_metadata[reference]": "",
}


def _csv(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> bytes:
    lines = [",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def test_empty_day_has_no_lines(harness: StripeHarness) -> None:
    assert _lines(harness, _csv()) == []


def test_columns_are_found_by_name_and_a_mark_at_the_beginning_is_no_matter(harness: StripeHarness) -> None:
    file = b"\xef\xbb\xbf" + _csv(GOOD, columns=tuple(reversed(COLUMNS)))
    assert _lines(harness, file)[0].amount_minor == 1234


@pytest.mark.parametrize(
    ("currency", "gross", "fee", "net", "minor", "fee_minor"),
    [
        ("jpy", "1234", "48", "1186", 1234, 48),
        ("kwd", "5.120", "0.300", "4.820", 5120, 300),
        ("isk", "500", "20", "480", 500, 20),
        ("isk", "500.00", "20.00", "480.00", 500, 20),
        ("usd", "1", "0", "1.0", 100, 0),
    ],
)
def test_major_units_become_ours(
    harness: StripeHarness, currency: str, gross: str, fee: str, net: str, minor: int, fee_minor: int
) -> None:
    amounts = {"currency": currency, "gross": gross, "fee": fee, "net": net}
    row = GOOD | amounts | {"customer_facing_amount": gross, "customer_facing_currency": currency}
    [line] = _lines(harness, _csv(row))
    assert (line.amount_minor, line.fee_minor, line.currency) == (minor, fee_minor, currency.upper())


@pytest.mark.parametrize(
    "change",
    [
        {"net": "11.69"},
        {"gross": "12.345"},
        {"gross": "1e3"},
        {"gross": ""},
        {"gross": "NaN"},
        {"gross": "-12.34", "net": "-13.00"},
        {"currency": "xxx"},
        {"created": "yesterday"},
        {"customer_facing_amount": "12,34", "customer_facing_currency": "eur"},
    ],
)
def test_line_that_does_not_add_up_spoils_the_file(harness: StripeHarness, change: dict[str, str]) -> None:
    with pytest.raises(StatementUnreadable, match="line 3"):
        _lines(harness, _csv(GOOD, GOOD | change))


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        b"PK\x03\x04\x14\x00" + b"\x00" * 100,
        b"a,b\n1,2\n",
        b"\xff\xfe" + _csv(GOOD),
        _csv(GOOD).replace(b"pay_1", b"\xe9"),
        _csv(GOOD) + b"torn,line\n",
        _csv(GOOD)[:-20],
        _csv(GOOD) + b'"never closed,' + b"x" * 100,
        _csv(GOOD) + b"x" * (MAX_LINE_BYTES + 1),
        _csv(GOOD, columns=(*COLUMNS, "gross")),
    ],
)
def test_what_is_no_report_is_unreadable(harness: StripeHarness, file: bytes) -> None:
    with pytest.raises(StatementUnreadable):
        _lines(harness, file)


def test_report_run_that_answers_something_else_is_unknown(harness: StripeHarness) -> None:
    harness.clock.advance(86_400)

    def lie(shown: dict[str, object]) -> None:
        if shown.get("object") == "reporting.report_run":
            shown["object"] = "file"

    harness.simulator.spoil = lie
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_statement(DAY)
