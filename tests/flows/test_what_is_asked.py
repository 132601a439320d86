"""The request to a gateway says the same, however often and by whomever it is sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from paycore.clock import database_now
from payments.gateways.contract import GatewayOutcomeUnknown, PaymentRequest, PaymentResult
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.orders.models import Order, Payment
from payments.orders.syncing import sync_payment
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PaymentRequest]:
    """Every request that left; the first answer is lost."""
    requests: list[PaymentRequest] = []
    create = SandboxGateway.create_payment

    def note(self: SandboxGateway, request: PaymentRequest) -> PaymentResult:
        requests.append(request)
        if len(requests) == 1:
            raise GatewayOutcomeUnknown("lost", code="no_answer")
        return create(self, request)

    monkeypatch.setattr(SandboxGateway, "create_payment", note)
    monkeypatch.setattr(SandboxGateway, "resolves_by_repeating", True)
    return requests


@pytest.mark.parametrize("comes_along", [True, False])
def test_a_repeat_says_the_same_as_the_lost_request(
    merchant_server: MerchantServer, account: GatewayAccount, asked: list[PaymentRequest], comes_along: bool
) -> None:
    details = {"currency": "USD", "amount_minor": 1999, "description": "Tea"}
    order = {"order_details": details} if comes_along else {"order": merchant_server.create_order()["id"]}
    payment = merchant_server.post("/payments", {**order, "method": "card"}).json()
    assert payment["status"] == "submitting"

    assert sync_payment(payment["id"], now=database_now()).status == "succeeded"
    first, second = asked
    assert first.expires_at is not None
    assert first == second
    assert_books_are_whole()


def test_an_answer_that_cannot_be_asked_for_any_more_is_not_sent_again(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    asked: list[PaymentRequest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The provider would take a late repeat for another payment."""
    monkeypatch.setattr(SandboxGateway, "repeats_for_seconds", 60)
    payment = merchant_server.post(
        "/payments", {"order": merchant_server.create_order()["id"], "method": "card"}
    ).json()
    sync_payment(payment["id"], now=database_now() + timedelta(seconds=61))
    assert len(asked) == 1
    assert Payment.objects.get().status == "submitting"


def test_a_waiting_payer_who_was_never_told_what_to_do_is_told(
    merchant_server: MerchantServer, account: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WeChat's query says that it waits, but not the code to scan: only the same request does."""
    order = merchant_server.create_order()
    create, fetch = SandboxGateway.create_payment, SandboxGateway.fetch_payment
    seen: list[PaymentRequest] = []

    def lose_the_first_answer(self: SandboxGateway, request: PaymentRequest) -> PaymentResult:
        known = create(self, request)
        seen.append(request)
        if len(seen) == 1:
            raise GatewayOutcomeUnknown("lost", code="no_answer")
        return known

    monkeypatch.setattr(SandboxGateway, "resolves_by_repeating", True)
    monkeypatch.setattr(SandboxGateway, "create_payment", lose_the_first_answer)
    monkeypatch.setattr(
        SandboxGateway, "fetch_payment", lambda self, reference, **known: replace(fetch(self, reference), action=None)
    )
    options = {"sandbox": {"scenario": "require_action"}}
    body = {"order": order["id"], "method": "sandbox_qr", "options": options}
    payment = merchant_server.post("/payments", body).json()
    assert payment["status"] == "submitting"
    synced = sync_payment(payment["id"], now=database_now())
    assert synced.status == "requires_action"
    assert synced.action
    assert synced.action["qr_text"]
    assert seen[0] == seen[1]


def test_an_order_stays_open_as_long_as_its_payer_needs(
    merchant_server: MerchantServer, account: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxGateway, "payer_needs_seconds", 7 * 86_400)
    order = merchant_server.create_order()
    body = {"order": order["id"], "method": "sandbox_redirect", "options": {"sandbox": {"scenario": "require_action"}}}
    assert merchant_server.post("/payments", body).json()["status"] == "requires_action"
    row = Order.objects.get()
    assert row.expires_at - row.created_at > timedelta(days=6)
    assert row.next_attempt_at == row.expires_at
