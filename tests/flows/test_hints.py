"""Callbacks whose signature does not bind their content: what they tell of is read anew before it is believed."""

from datetime import timedelta
from typing import Any

import pytest

from paycore.clock import database_now
from paycore.models import OutboxMessage
from payments.gateways.contract import PaymentResult
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.ledger.models import Posting
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from payments.tasks import reread_hints
from payments.webhooks.hints import ATTEMPTS_UNTIL_A_PERSON_LOOKS, reread_hint
from payments.webhooks.models import WebhookReceipt
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, post_callback, run_background, sync

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hints_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SandboxGateway, "webhooks_are_hints", True)


@pytest.fixture
def waiting(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    return Payment.objects.get(id=payment["id"])


def test_a_hint_is_read_anew_and_then_believed(waiting: Payment, sandbox: SandboxProvider) -> None:
    sandbox.approve(waiting.id)
    assert deliver_callbacks(sandbox) == [200]
    run_background()
    waiting.refresh_from_db()
    assert waiting.status == "succeeded"
    receipt = WebhookReceipt.objects.get()
    assert (receipt.next_attempt_at, receipt.processed_at is not None) == (None, True)
    assert_books_are_whole()


def test_a_hint_is_due_at_once_without_a_message_and_its_copy_is_not_kept(
    waiting: Payment, sandbox: SandboxProvider
) -> None:
    sandbox.approve(waiting.id)
    ((url, headers, body),) = sandbox.take_callbacks()
    messages = OutboxMessage.objects.count()
    assert [post_callback(url, headers, body) for _copy in range(3)] == [200, 200, 200]
    receipt = WebhookReceipt.objects.get()
    assert receipt.next_attempt_at is not None
    assert receipt.next_attempt_at <= database_now()
    assert (bytes(receipt.body), receipt.attempts, receipt.processed_at) == (body, 0, None)
    assert OutboxMessage.objects.count() == messages


def test_a_payment_that_moves_while_its_hint_is_read_is_decided_anew(
    waiting: Payment, sandbox: SandboxProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query brings the same news in between: it is applied once."""
    sandbox.approve(waiting.id)
    deliver_callbacks(sandbox)
    adapter_says = SandboxGateway.fetch_payment
    asked: list[str] = []

    def overtaken(self: SandboxGateway, reference: str, **more: Any) -> PaymentResult:
        asked.append(reference)
        if len(asked) == 1:
            assert sync(waiting.id) == "succeeded"
        return adapter_says(self, reference, **more)

    monkeypatch.setattr(SandboxGateway, "fetch_payment", overtaken)
    run_background()
    assert asked == [waiting.id] * 2
    assert Posting.objects.filter(business_id=waiting.id).count() == 1
    assert_books_are_whole()


def test_a_hint_that_lies_credits_nothing(
    waiting: Payment, sandbox: SandboxProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback says paid and is rightly signed; the provider, when asked, knows of nothing."""
    sandbox.approve(waiting.id)
    notices = sandbox.take_callbacks()
    adapter_says = SandboxGateway.fetch_payment
    monkeypatch.setattr(
        SandboxGateway, "fetch_payment", lambda self, reference, **_: adapter_says(self, "pay_unheard_of")
    )
    assert [post_callback(url, headers, body) for url, headers, body in notices] == [200]
    run_background()
    waiting.refresh_from_db()
    assert (waiting.status, waiting.captured_minor) == ("requires_action", 0)
    assert_books_are_whole()


def test_a_hint_that_cannot_be_read_now_is_read_later(
    waiting: Payment, sandbox: SandboxProvider, sandbox_transport: SandboxTransport
) -> None:
    sandbox.approve(waiting.id)
    deliver_callbacks(sandbox)
    sandbox_transport.is_reachable = False
    run_background()
    receipt = WebhookReceipt.objects.get()
    assert receipt.processed_at is None
    assert receipt.attempts >= 1
    assert receipt.next_attempt_at is not None

    sandbox_transport.is_reachable = True
    WebhookReceipt.objects.update(next_attempt_at=receipt.received_at - timedelta(seconds=1))
    assert reread_hints() == 1
    waiting.refresh_from_db()
    assert waiting.status == "succeeded"


def test_a_hint_that_nobody_can_read_becomes_a_case(
    waiting: Payment, sandbox: SandboxProvider, sandbox_transport: SandboxTransport
) -> None:
    sandbox.approve(waiting.id)
    deliver_callbacks(sandbox)
    sandbox_transport.is_reachable = False
    run_background()
    receipt = WebhookReceipt.objects.get()
    WebhookReceipt.objects.update(attempts=ATTEMPTS_UNTIL_A_PERSON_LOOKS - 1)
    reread_hint(receipt.id)
    assert Case.objects.get(kind=Case.Kind.STUCK).object_id == receipt.id


def test_a_hint_about_a_payment_that_had_ended_still_finds_late_money(
    waiting: Payment, sandbox: SandboxProvider
) -> None:
    sandbox.approve(waiting.id)
    Payment.objects.filter(id=waiting.id).update(status="failed", next_attempt_at=None)
    deliver_callbacks(sandbox)
    run_background()
    waiting.refresh_from_db()
    assert waiting.status == "succeeded"
