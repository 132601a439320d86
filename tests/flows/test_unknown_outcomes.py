"""Silence is not failure: it is asked about until somebody knows. Only "nothing happened" tries the next account."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from paycore.clock import database_now
from payments import tasks
from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    Outcome,
    PaymentRequest,
    PaymentResult,
)
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.orders.charging import load, record_payment_result, submit_again
from payments.orders.models import Evidence, Order, Payment
from payments.orders.schedule import QUERY_DELAYS_SECONDS
from payments.orders.syncing import due_payments, sync_payment
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from riskcontrol.models import Outcome as RiskOutcome
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, run_background, sync
from tests.flows.conftest import ProviderClock
from tests.flows.time_travel import make_older, make_time_run_out

pytestmark = pytest.mark.django_db


def pay(merchant: MerchantServer, scenario: str) -> Any:
    return merchant.pay(merchant.create_order()["id"], scenario=scenario).json()


def payments_there(provider: SandboxProvider) -> int:
    count: int = provider.book.rows("SELECT count(*) FROM txn")[0][0]
    return count


@pytest.mark.parametrize(
    "scenario",
    ["timeout_before_effect", "timeout_after_effect", "error_5xx_after_effect", "torn_answer", "unsigned_answer"],
)
def test_silence_and_answers_nobody_can_trust_leave_the_outcome_unknown(
    merchant_server: MerchantServer, account: GatewayAccount, scenario: str
) -> None:
    payment = pay(merchant_server, scenario)

    assert (payment["status"], payment["failure_code"]) == ("submitting", None)
    waiting = Payment.objects.get()
    assert waiting.next_attempt_at is not None
    assert timedelta(0) < waiting.next_attempt_at - database_now() <= timedelta(seconds=4)
    assert_books_are_whole()


def test_a_payment_that_breaks_us_does_not_keep_others_waiting(
    merchant_server: MerchantServer, account: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [pay(merchant_server, "timeout_after_effect")["id"] for _number in range(3)]
    poison = ids[1]

    def ask(payment_id: str, *, now: datetime) -> Payment:
        if payment_id == poison:
            raise ZeroDivisionError
        return sync_payment(payment_id, now=now)

    monkeypatch.setattr(tasks, "sync_payment", ask)
    monkeypatch.setattr(tasks, "due_payments", lambda *, limit: ids)
    with pytest.raises(ExceptionGroup) as raised:
        tasks.sync_pending_payments()
    assert [error.__notes__ for error in raised.value.exceptions] == [[poison]]
    statuses = dict(Payment.objects.values_list("id", "status"))
    assert statuses == {ids[0]: "succeeded", poison: "submitting", ids[2]: "succeeded"}


def test_an_unknown_payment_is_asked_about_ever_more_rarely_and_never_given_up(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox_transport: SandboxTransport
) -> None:
    payment = pay(merchant_server, "timeout_after_effect")
    sandbox_transport.is_reachable = False
    delays = []
    for _question in range(12):
        asked_at = database_now()
        assert sync(payment["id"]) == "submitting"
        next_at = Payment.objects.get().next_attempt_at
        assert next_at is not None
        delays.append((next_at - asked_at).total_seconds())

    expected = [QUERY_DELAYS_SECONDS[min(attempt, 7)] for attempt in range(1, 13)]
    for delay, nominal in zip(delays, expected, strict=True):
        assert nominal * 0.9 <= delay <= nominal * 1.1 + 1
    sandbox_transport.is_reachable = True
    assert sync(payment["id"]) == "succeeded"
    assert_books_are_whole()


def test_a_payment_unknown_for_a_day_becomes_a_case_and_is_still_asked_about(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox_transport: SandboxTransport
) -> None:
    payment = pay(merchant_server, "timeout_after_effect")
    sandbox_transport.is_reachable = False
    make_older(payment["id"], by=timedelta(hours=25))

    assert sync(payment["id"]) == "submitting"
    assert sync(payment["id"]) == "submitting"

    assert Case.objects.get(kind="stuck", object_id=payment["id"]).status == "open"
    assert Payment.objects.get().next_attempt_at is not None


def test_a_payment_unknown_for_a_day_becomes_a_case_also_when_its_order_is_long_over(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox_transport: SandboxTransport
) -> None:
    """Orders live half an hour: a payment this old is only ever closed, not asked about."""
    payment = pay(merchant_server, "timeout_after_effect")
    sandbox_transport.is_reachable = False
    make_older(payment["id"], by=timedelta(hours=25))
    make_time_run_out(payment["order"])

    assert sync(payment["id"]) == "submitting"

    assert Case.objects.get(kind="stuck", object_id=payment["id"]).status == "open"
    sandbox_transport.is_reachable = True
    assert sync(payment["id"]) == "succeeded"
    assert Case.objects.get(kind="stuck", object_id=payment["id"]).status == "resolved"


def test_a_repeat_too_late_to_be_known_for_the_same_is_not_sent(
    merchant_server: MerchantServer, account: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller repeats under the same key when the provider has forgotten our number: it would charge once more."""
    order = merchant_server.create_order()
    sent: list[str] = []

    def lost(_self: SandboxGateway, request: PaymentRequest) -> PaymentResult:
        sent.append(request.reference)
        raise GatewayOutcomeUnknown("lost", code="no_answer")

    monkeypatch.setattr(SandboxGateway, "create_payment", lost)
    monkeypatch.setattr(SandboxGateway, "repeats_for_seconds", 60)
    payment = merchant_server.pay(order["id"]).json()
    make_older(payment["id"], by=timedelta(seconds=61))
    submit_again(load(payment["id"]))
    assert len(sent) == 1
    monkeypatch.setattr(SandboxGateway, "repeats_for_seconds", 600)
    submit_again(load(payment["id"]))
    assert len(sent) == 2


def test_a_gateway_that_does_not_find_it_yet_has_not_said_no(
    merchant_server: MerchantServer, account: GatewayAccount, provider_clock: ProviderClock
) -> None:
    payment = pay(merchant_server, "timeout_after_effect+not_found_for(120)")

    assert sync(payment["id"]) == "submitting"
    provider_clock.advance(121)
    assert sync(payment["id"]) == "succeeded"


def test_a_state_nobody_listed_is_pending(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    payment = pay(merchant_server, "unlisted_state")

    assert payment["status"] == "processing"
    assert sync(payment["id"]) == "processing"


def test_only_payments_whose_time_has_come_are_asked_about_and_once_at_a_time(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    payment = pay(merchant_server, "timeout_after_effect")
    assert due_payments(limit=10) == []

    Payment.objects.update(next_attempt_at=database_now())
    assert due_payments(limit=10) == [payment["id"]]
    assert due_payments(limit=10) == []


def test_what_succeeded_meanwhile_is_neither_passed_on_nor_given_back(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    second_account: GatewayAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The account says that it was not reached; the callback knew better."""

    def contradict(_self: SandboxGateway, request: PaymentRequest) -> PaymentResult:
        told = PaymentResult(request.reference, Outcome.SUCCEEDED)
        record_payment_result(request.reference, told, source=Evidence.Source.WEBHOOK)
        raise GatewayUnavailable("not reached", code="not_reached")

    monkeypatch.setattr(SandboxGateway, "create_payment", contradict)
    order = merchant_server.create_order()
    first = merchant_server.pay(order["id"], key="once")
    assert first.json()["status"] == "succeeded"
    assert merchant_server.pay(order["id"], key="once").json() == first.json()
    run_background()
    assert Payment.objects.get().status == "succeeded"
    assert not RiskOutcome.objects.filter(kind="failed").exists()
    assert_books_are_whole()


def test_an_account_where_nothing_happened_gives_way_to_the_next(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    second_account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
    second_provider: SandboxProvider,
) -> None:
    sandbox_transport.is_reachable = False
    order = merchant_server.create_order()

    answer = merchant_server.pay(order["id"], key="over")
    again = merchant_server.pay(order["id"], key="over")

    assert answer.json()["status"] == "succeeded"
    assert again.content == answer.content
    first, second = Payment.objects.order_by("id")
    assert (first.status, first.failure_code) == ("failed", "gateway_unavailable")
    assert (second.id, second.gateway_account_id) == (answer.json()["id"], second_account.id)
    assert (payments_there(sandbox), payments_there(second_provider)) == (0, 1)
    assert_books_are_whole()


@pytest.mark.parametrize(
    ("scenario", "status"), [("timeout_before_effect", "submitting"), ("decline", "failed"), ("reject", "failed")]
)
def test_silence_and_refusals_are_not_taken_elsewhere(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    second_account: GatewayAccount,
    second_provider: SandboxProvider,
    scenario: str,
    status: str,
) -> None:
    payment = pay(merchant_server, scenario)

    assert payment["status"] == status
    assert Payment.objects.count() == 1
    assert payments_there(second_provider) == 0


def test_when_no_account_can_be_reached_the_payment_fails_and_the_order_stays_open(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox_transport: SandboxTransport
) -> None:
    sandbox_transport.is_reachable = False
    order = merchant_server.create_order()

    failed = merchant_server.pay(order["id"]).json()
    sandbox_transport.is_reachable = True

    assert (failed["status"], failed["failure_code"]) == ("failed", "gateway_unavailable")
    assert Order.objects.get().status == "open"
    assert merchant_server.pay(order["id"]).json()["status"] == "succeeded"
    assert_books_are_whole()


def test_copies_and_older_news_change_nothing_more(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    payment = pay(merchant_server, "timeout_after_effect+out_of_order_callbacks+duplicate_callbacks(5)")

    assert set(deliver_callbacks(sandbox)) == {200}
    run_background()

    assert Payment.objects.get(id=payment["id"]).status == "succeeded"
    assert_books_are_whole()
