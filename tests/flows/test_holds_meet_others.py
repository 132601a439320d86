"""A payment that waits, and what else may happen to its order, its merchant or its case meanwhile."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.models import IdempotencyKey
from payments.gateways.contract import Outcome as Told
from payments.gateways.contract import PaymentResult
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders import charging, holds, syncing
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Order, Payment
from payments.routing.models import GatewayAccount
from riskcontrol.cases import decide_case
from riskcontrol.models import Case, PaymentLimit, Usage
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes
from tests.flows.test_risk_holds import held_payment, make_due, rule, sweep
from tests.flows.time_travel import make_older

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("account")]


def approve(payment: Payment) -> None:
    reviewer = User.objects.create_user(email="reviewer@example.com", is_staff=True)
    case = Case.objects.get(kind="risk_review", object_id=payment.id)
    decide_case(case_id=case.id, verdict="approved", note="looked at it", by_id=reviewer.id)


def suspend(merchant: Merchant) -> None:
    Merchant.objects.filter(id=merchant.id).update(status="suspended")
    forget_everything()


def test_an_order_that_is_paid_while_its_held_payment_is_about_to_be_sent_is_not_paid_twice(
    merchant_server: MerchantServer, sandbox: SandboxProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = merchant_server.create_order()
    failed = merchant_server.pay(order["id"], scenario="decline").json()["id"]
    rule("delay", delay_seconds=600)
    held = merchant_server.pay(order["id"]).json()["id"]
    make_due(held)
    lock = holds.lock_payment

    def lock_after_late_money(payment_id: str) -> Any:
        monkeypatch.setattr(holds, "lock_payment", lock)
        record_payment_result(failed, PaymentResult(failed, Told.SUCCEEDED), source=Evidence.Source.WEBHOOK)
        return lock(payment_id)

    monkeypatch.setattr(holds, "lock_payment", lock_after_late_money)
    sweep()
    assert Order.objects.get().status == "paid"
    assert sandbox.book.find_txn(held) is None
    Payment.objects.filter(id=held).update(next_attempt_at=Now())
    sweep()
    assert Payment.objects.get(id=held).status == "canceled"
    run_background()
    assert_books_are_whole()


def test_an_approval_given_in_time_counts_even_if_it_is_carried_out_late(merchant_server: MerchantServer) -> None:
    rule("review")
    payment = held_payment(merchant_server)
    approve(payment)
    make_due(payment.id)
    sweep()
    payment.refresh_from_db()
    assert payment.status == "created"
    run_background()
    sweep()
    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert_books_are_whole()


def test_a_suspended_merchants_held_payment_is_never_sent(
    merchant_server: MerchantServer, sandbox: SandboxProvider
) -> None:
    rule("review")
    payment = held_payment(merchant_server)
    suspend(merchant_server.merchant)
    approve(payment)
    run_background()
    sweep()
    payment.refresh_from_db()
    assert payment.status == "canceled"
    assert sandbox.book.find_txn(payment.id) is None


def test_nobody_pays_a_suspended_merchant_by_a_link_it_gave_out_before(
    merchant_server: MerchantServer, client: Any
) -> None:
    order = merchant_server.create_order()
    session = merchant_server.post("/checkout-sessions", {"order": order["id"]}).json()
    suspend(merchant_server.merchant)
    key = re.search(r'name="key" value="([^"]+)"', client.get(f"/pay/{session['id']}").content.decode())
    assert key
    with nothing_changes():
        page = client.post(f"/pay/{session['id']}", {"method": "card", "token": "tok_approve", "key": key[1]})
    assert "takes no payments at the moment" in page.content.decode()


def test_the_case_of_a_payment_that_was_unknown_for_too_long_closes_when_it_is_known(
    merchant_server: MerchantServer, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    payment_id = merchant_server.pay(order["id"], scenario="timeout_before_effect").json()["id"]
    make_older(payment_id, by=timedelta(hours=25))
    Payment.objects.filter(id=payment_id).update(next_attempt_at=Now())
    sweep()
    assert Case.objects.get(object_id=payment_id).status == "open"
    record_payment_result(payment_id, PaymentResult(payment_id, Told.SUCCEEDED), source=Evidence.Source.WEBHOOK)
    case = Case.objects.get(object_id=payment_id)
    assert (case.kind, case.status, case.resolved_by_id) == ("stuck", "resolved", None)


def test_a_payment_is_not_unknown_for_too_long_because_it_was_held_for_long(
    merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule("delay", delay_seconds=600)
    order = merchant_server.create_order()
    payment_id = merchant_server.pay(order["id"], scenario="timeout_before_effect").json()["id"]
    make_older(payment_id, by=timedelta(hours=25))
    make_due(payment_id)
    sweep()
    payment = Payment.objects.select_related("order").get(id=payment_id)
    assert payment.status == "submitting"
    monkeypatch.setattr(syncing, "submit_again", lambda payment: payment)
    syncing.sync_payment(payment_id, now=database_now())
    assert not Case.objects.exists()


def test_what_a_limit_lent_is_given_back_when_the_spare_account_is_never_tried(
    merchant_server: MerchantServer, account: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    PaymentLimit.objects.create(kind="day_sum", counted_per="merchant", currency="USD", max_amount_minor=3000)
    GatewayAccount.objects.create(
        name="spare",
        gateway=account.gateway,
        base_url=account.base_url,
        credentials=account.credentials,
        methods=account.methods,
        priority=account.priority + 1,
    )
    forget_everything()
    order = merchant_server.create_order()
    submit = charging.submit

    def dies_after(*arguments: Any, **more: Any) -> Any:
        submit(*arguments, **more)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(charging, "submit", dies_after)
        with pytest.raises(SystemExit):
            merchant_server.pay(order["id"], key="dies", scenario="unavailable")
    run_background()
    assert Payment.objects.get().status == "failed"
    IdempotencyKey.objects.update(locked_until=Now() - timedelta(seconds=1))
    assert merchant_server.pay(order["id"], key="dies", scenario="unavailable").json()["status"] == "failed"
    assert Usage.objects.get().used_minor == 0
    assert merchant_server.pay(order["id"], key="dies", scenario="unavailable").json()["status"] == "failed"
    assert Usage.objects.get().used_minor == 0
