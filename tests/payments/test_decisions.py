"""What one piece of evidence means: every state with every outcome, and any sequence of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.gateways.contract import ActionKind, NextAction, Outcome, PaymentResult
from payments.ledger.services import Leg
from payments.orders import transitions
from payments.orders.models import Payment
from payments.orders.outcomes import Change, Known, decide
from tests.payments.made_up import AMOUNT, NOW, known, said

O = Outcome  # noqa: E741 a table is read, not typed
STATES = [state for state in transitions.PAYMENT.states if state != "created"]
AFTERWARDS: dict[str, dict[Outcome, str]] = {
    "submitting": {
        O.SUCCEEDED: "succeeded", O.FAILED: "failed", O.PENDING: "processing", O.REQUIRES_ACTION: "requires_action",
        O.AUTHORIZED: "authorized", O.CANCELED: "canceled", O.NOT_FOUND: "submitting",
    },
    "requires_action": {
        O.SUCCEEDED: "succeeded", O.FAILED: "failed", O.PENDING: "processing", O.REQUIRES_ACTION: "requires_action",
        O.AUTHORIZED: "authorized", O.CANCELED: "canceled", O.NOT_FOUND: "requires_action",
    },
    "processing": {
        O.SUCCEEDED: "succeeded", O.FAILED: "failed", O.PENDING: "processing", O.REQUIRES_ACTION: "requires_action",
        O.AUTHORIZED: "authorized", O.CANCELED: "canceled", O.NOT_FOUND: "processing",
    },
    "authorized": {
        O.SUCCEEDED: "succeeded", O.FAILED: "failed", O.PENDING: "authorized", O.REQUIRES_ACTION: "authorized",
        O.AUTHORIZED: "authorized", O.CANCELED: "canceled", O.NOT_FOUND: "authorized",
    },
    "succeeded": dict.fromkeys(Outcome, "succeeded"),
    "failed": dict.fromkeys(Outcome, "failed") | {O.SUCCEEDED: "succeeded"},
    "canceled": dict.fromkeys(Outcome, "canceled") | {O.SUCCEEDED: "succeeded"},
    "expired": dict.fromkeys(Outcome, "expired") | {O.SUCCEEDED: "succeeded"},
}  # fmt: skip


def names(change: Change) -> list[str]:
    return [event.name for event in change.events]


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_state_with_every_outcome(status: str, outcome: Outcome) -> None:
    facts = known(status=status, captured_minor=AMOUNT if status == "succeeded" else 0)

    change = decide(facts, said(outcome), now=NOW)

    after = AFTERWARDS[status][outcome]
    assert change.payment.get("status", status) == after
    assert change.moves == (after != status)
    assert bool(change.events) == (after != status and after in {*transitions.PAYMENT.final, "authorized"})
    if not change.moves:
        assert change.note
        assert not change.entries
        assert change.order is None
        assert set(change.payment) <= {"poll_attempts", "next_attempt_at"}


def test_success_pays_the_order_books_the_money_and_tells_both() -> None:
    change = decide(known(), said(O.SUCCEEDED, amount_minor=AMOUNT, currency="USD", fee_minor=300), now=NOW)

    assert change.order == {"status": "paid", "paid_at": NOW.isoformat(), "next_attempt_at": None}
    assert names(change) == ["payment.succeeded", "order.paid"]
    [entry] = change.entries
    assert (entry.business_type, entry.business_id, entry.phase) == ("payment", "pay_1", f"capture:{AMOUNT}")
    assert [(leg.debit, leg.credit, leg.amount.minor) for leg in entry.legs] == [
        ("gateway:gwa_1", "merchant:mer_1:pending", AMOUNT),
        ("expense:gateway_fees", "gateway:gwa_1", 300),
        ("merchant:mer_1:pending", "revenue:fees", 60),
    ]
    assert change.payment["fee_minor"] == 300


def test_a_fee_that_is_not_said_is_expected_by_the_accounts_schedule() -> None:
    change = decide(known(), said(O.SUCCEEDED), now=NOW)
    assert change.payment["fee_minor"] == 290 + 30


@pytest.mark.parametrize("order_status", ["paid", "closed", "canceled", "expired"])
@pytest.mark.parametrize("status", ["submitting", "failed", "canceled", "expired"])
def test_success_for_an_order_that_is_not_open_is_surplus(status: str, order_status: str) -> None:
    change = decide(known(status=status, order_status=order_status), said(O.SUCCEEDED), now=NOW)

    assert change.surplus
    assert change.order is None
    assert names(change) == ["payment.succeeded"]
    assert change.case is not None
    assert change.case[0] == "surplus_payment"
    credits = {leg.credit for leg in change.entries[0].legs}
    assert credits == {"suspense", "gateway:gwa_1"}


@pytest.mark.parametrize(
    "facts",
    [{"amount_minor": AMOUNT + 1}, {"amount_minor": 0}, {"currency": "EUR"}, {"captured_minor": AMOUNT + 1},
     {"captured_minor": -1}, {"amount_minor": 10**30}],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("outcome", [O.SUCCEEDED, O.AUTHORIZED])
@pytest.mark.parametrize("status", ["submitting", "authorized", "failed", "succeeded"])
def test_money_that_does_not_fit_is_a_case_and_moves_nothing(
    status: str, outcome: Outcome, facts: dict[str, Any]
) -> None:
    change = decide(known(status=status), said(outcome, **facts), now=NOW)

    assert not change.moves
    assert not change.events
    assert change.case is not None
    assert change.case[0] == "payment_mismatch"
    assert set(change.case[1]) == set(facts)


def test_an_automatic_payment_that_took_less_than_the_order_is_no_success() -> None:
    for taken in (0, AMOUNT - 1):
        change = decide(known(capture_method="automatic"), said(O.SUCCEEDED, captured_minor=taken), now=NOW)
        assert not change.moves, taken
        assert change.case is not None


def test_parts_are_booked_once_whatever_copies_arrive() -> None:
    facts = known(status="authorized", captured_minor=4_000, fee_minor=146, capture_method="manual")

    again = decide(facts, said(O.AUTHORIZED, captured_minor=4_000), now=NOW)
    older = decide(facts, said(O.AUTHORIZED, captured_minor=1_000), now=NOW)
    more = decide(facts, said(O.AUTHORIZED, captured_minor=7_000, fee_minor=263), now=NOW)
    last = decide(facts, said(O.SUCCEEDED, captured_minor=4_000), now=NOW)

    assert not again.moves
    assert not older.moves
    assert [leg.amount.minor for leg in more.entries[0].legs] == [3_000, 117, 15]
    assert more.payment["captured_minor"] == 7_000
    assert "status" in last.payment
    assert last.entries == []


@pytest.mark.parametrize("outcome", [O.CANCELED, O.FAILED])
def test_a_hold_of_which_a_part_was_taken_ends_as_a_success_of_that_part(outcome: Outcome) -> None:
    facts = known(status="authorized", captured_minor=4_000, capture_method="manual")

    change = decide(facts, said(outcome), now=NOW)

    assert change.payment["status"] == "succeeded"
    assert change.payment["captured_minor"] == 4_000
    assert change.order is not None


def test_an_attempt_closed_after_its_orders_time_has_expired() -> None:
    late = decide(known(expires_at=NOW - timedelta(seconds=1)), said(O.CANCELED), now=NOW)
    early = decide(known(), said(O.CANCELED), now=NOW)
    assert (late.payment["status"], early.payment["status"]) == ("expired", "canceled")
    assert names(late) == names(early) == ["payment.canceled"]


def test_a_reference_of_the_gateways_is_kept_once() -> None:
    facts = known()
    assert decide(facts, said(O.PENDING, gateway_reference="ch_1"), now=NOW).payment["gateway_reference"] == "ch_1"
    facts.payment.gateway_reference = "ch_1"
    assert "gateway_reference" not in decide(facts, said(O.SUCCEEDED, gateway_reference="ch_2"), now=NOW).payment


def test_what_the_payer_must_do_is_kept_while_it_is_to_be_done() -> None:
    action = NextAction(ActionKind.REDIRECT, url="https://bank.example/3ds", expires_at=NOW)
    change = decide(known(), said(O.REQUIRES_ACTION, action=action), now=NOW)
    assert change.payment["action"]["url"] == "https://bank.example/3ds"
    assert change.payment["action"]["expires_at"] == NOW.isoformat()
    assert decide(known(status="requires_action"), said(O.FAILED), now=NOW).payment["action"] is None


def test_a_failure_without_a_known_code_is_declined_and_long_words_are_cut() -> None:
    change = decide(known(), said(O.FAILED, failure_code="", failure_message="x" * 1000), now=NOW)
    assert change.payment["failure_code"] == "declined"
    assert len(change.payment["failure_message"]) == 300


class Books:
    """What the door would have written, in memory."""

    def __init__(self, facts: Known) -> None:
        self.facts = facts
        self.taken = 0
        self.suspense = 0
        self.phases: list[str] = []
        self.told: list[str] = []
        self.is_paid_by_us = False

    def hear(self, result: PaymentResult) -> None:
        before = self.facts.payment.status
        change = decide(self.facts, result, now=NOW)
        for name, value in change.payment.items():
            is_time = isinstance(value, str) and name.endswith("_at")
            setattr(self.facts.payment, name, datetime.fromisoformat(value) if is_time else value)
        for name, value in (change.order or {}).items():
            setattr(self.facts.order, name, value)
            self.is_paid_by_us = True
        for entry in change.entries:
            self.phases.append(entry.phase)
            for leg in entry.legs:
                self._post(leg)
        self.told += names(change)
        after = self.facts.payment.status
        assert after == before or transitions.PAYMENT.allows(before, after)

    def _post(self, leg: Leg) -> None:
        assert leg.amount.minor >= 0
        self.taken += leg.amount.minor if leg.debit == "gateway:gwa_1" else 0
        self.suspense += leg.amount.minor * ((leg.credit == "suspense") - (leg.debit == "suspense"))

    def check(self) -> None:
        payment: Payment = self.facts.payment
        assert 0 <= payment.captured_minor <= payment.authorized_minor <= payment.amount_minor  # J5
        assert self.taken == payment.captured_minor  # J6: the books hold what was captured
        assert self.is_paid_by_us == (payment.status == "succeeded" and not payment.is_surplus)  # J6
        assert self.suspense == (payment.captured_minor if payment.is_surplus else 0)  # J9
        assert (payment.next_attempt_at is None) == payment.is_final  # J8
        assert len(self.phases) == len(set(self.phases))  # J3
        assert self.told.count("payment.succeeded") == (payment.status == "succeeded")  # J7
        if payment.status == "succeeded":
            assert payment.captured_minor > 0
        if payment.status in ("failed", "canceled", "expired"):
            assert payment.captured_minor == 0
        assert payment.fee_minor >= 0


RESULTS = st.builds(
    said,
    st.sampled_from(list(Outcome)),
    amount_minor=st.sampled_from([None, AMOUNT, AMOUNT, AMOUNT, AMOUNT + 1]),
    currency=st.sampled_from([None, "USD", "USD", "EUR"]),
    captured_minor=st.sampled_from([None, None, 0, 1, 4_000, AMOUNT, AMOUNT + 1]),
    fee_minor=st.sampled_from([None, 0, 30, 320]),
    gateway_reference=st.sampled_from(["", "ch_1"]),
)
STORY = st.lists(RESULTS | st.sampled_from(["paid otherwise", "order ends"]), max_size=12)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(story=STORY, capture_method=st.sampled_from(["automatic", "manual"]))
def test_no_sequence_of_evidence_breaks_the_books(story: list[Any], capture_method: str) -> None:
    books = Books(known(capture_method=capture_method))
    for step in story:
        order = books.facts.order
        if step == "paid otherwise":
            order.status = "paid" if order.status == "open" else order.status
        elif step == "order ends":
            if order.status == "open" and books.facts.payment.is_final:
                order.status = "canceled"
        else:
            books.hear(step)
        books.check()
