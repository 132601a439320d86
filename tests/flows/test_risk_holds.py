"""What risk control may say before a payment, and how the payment goes on or ends."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts.models import User
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.money import Money
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders import holds
from payments.orders.models import Order, Payment
from payments.orders.services import OrderDraft, cancel_order, create_order
from payments.orders.syncing import due_payments, sync_payment
from payments.routing.models import GatewayAccount
from payments.routing.services import replay
from riskcontrol.cases import decide_case
from riskcontrol.models import Case, Decision, Outcome, PaymentLimit, Rule, Usage
from tests.actors import AppUser, MerchantServer, assert_books_are_whole, deliver_callbacks, run_background
from tests.api.row_counts import nothing_changes
from tests.flows.time_travel import let_orders_expire, make_time_run_out
from tests.payments.test_routing import make_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("account")]


def rule(action: str, *, expression: str = "amount_minor > 1000", **more: object) -> Rule:
    made = Rule.objects.create(
        name=f"rule that says {action}", expression=expression, action=action, mode="active", **more
    )
    forget_everything()
    return made


def make_due(payment_id: str) -> None:
    Payment.objects.filter(id=payment_id).update(next_attempt_at=Now(), held_until=Now())


def sweep() -> None:
    for payment_id in due_payments(limit=100):
        sync_payment(payment_id, now=database_now())


def held_payment(merchant_server: MerchantServer) -> Payment:
    order = merchant_server.create_order()
    answer = merchant_server.pay(order["id"])
    assert answer.status_code == 201, answer.content
    return Payment.objects.get(id=answer.json()["id"])


def decide(payment: Payment, verdict: str) -> None:
    reviewer = User.objects.create_user(email="reviewer@example.com", is_staff=True)
    case = Case.objects.get(kind="risk_review", object_id=payment.id, status="open")
    decide_case(case_id=case.id, verdict=verdict, note="looked at it", by_id=reviewer.id)
    run_background()
    sweep()


def test_a_review_holds_the_payment_and_nothing_leaves_the_house(
    merchant_server: MerchantServer, sandbox: SandboxProvider
) -> None:
    rule("review")
    order = merchant_server.create_order()
    answer = merchant_server.pay(order["id"], key="once")
    payment = Payment.objects.get(id=answer.json()["id"])
    assert (answer.json()["status"], answer.json()["hold"]) == ("created", "review")
    assert sandbox.book.find_txn(payment.id) is None
    assert payment.held_until > database_now() + timedelta(hours=23)
    assert Order.objects.get(id=order["id"]).expires_at > payment.held_until
    case = Case.objects.get(object_id=payment.id)
    assert (case.kind, case.merchant_id) == ("risk_review", merchant_server.merchant.id)
    assert Decision.objects.get().id == payment.risk["decision"]
    assert_books_are_whole()
    with nothing_changes():
        assert merchant_server.pay(order["id"], key="once").json() == answer.json()
        assert merchant_server.pay(order["id"]).json()["code"] == "payment_in_progress"
    sweep()
    payment.refresh_from_db()
    assert payment.status == "created"


def test_an_approved_payment_goes_on(merchant_server: MerchantServer) -> None:
    rule("review")
    payment = held_payment(merchant_server)
    decide(payment, "approved")
    payment.refresh_from_db()
    assert (payment.status, payment.hold) == ("succeeded", "")
    assert Order.objects.get().status == "paid"
    assert_books_are_whole()


def test_a_rejected_payment_is_canceled_and_the_order_can_be_paid_otherwise(
    merchant_server: MerchantServer, sandbox: SandboxProvider
) -> None:
    made = rule("review")
    payment = held_payment(merchant_server)
    decide(payment, "rejected")
    payment.refresh_from_db()
    assert (payment.status, payment.hold, payment.next_attempt_at) == ("canceled", "", None)
    assert sandbox.book.find_txn(payment.id) is None
    assert Outcome.objects.get().kind == "failed"
    Rule.objects.filter(id=made.id).update(mode="off")
    forget_everything()
    assert merchant_server.pay(payment.order_id).json()["status"] == "succeeded"
    assert_books_are_whole()


def test_a_review_nobody_makes_ends_the_payment_and_its_case(merchant_server: MerchantServer) -> None:
    rule("review")
    payment = held_payment(merchant_server)
    make_due(payment.id)
    sweep()
    payment.refresh_from_db()
    assert payment.status == "canceled"
    case = Case.objects.get(object_id=payment.id)
    assert (case.status, case.resolution) == ("resolved", "nobody decided in time")


def test_a_verdict_after_the_order_was_canceled_changes_nothing(merchant_server: MerchantServer) -> None:
    rule("review")
    payment = held_payment(merchant_server)
    cancel_order(payment.order_id)
    assert Case.objects.get(object_id=payment.id).status == "resolved"
    with nothing_changes():
        holds.release_held(payment.id)
        holds.withdraw_held(payment.id, why="twice")
    payment.refresh_from_db()
    assert payment.status == "canceled"


def test_a_held_payment_expires_with_its_order(merchant_server: MerchantServer) -> None:
    rule("review")
    payment = held_payment(merchant_server)
    make_time_run_out(payment.order_id)
    let_orders_expire()
    payment.refresh_from_db()
    assert payment.status == "expired"
    assert Order.objects.get().status == "expired"


def test_a_delayed_payment_is_sent_when_its_time_has_come(merchant_server: MerchantServer) -> None:
    rule("delay", delay_seconds=600)
    payment = held_payment(merchant_server)
    assert (payment.status, payment.hold) == ("created", "delay")
    sweep()
    payment.refresh_from_db()
    assert payment.status == "created"
    make_due(payment.id)
    sweep()
    payment.refresh_from_db()
    assert (payment.status, payment.hold) == ("succeeded", "")


def test_a_process_that_died_before_sending_a_released_payment_is_made_good(
    merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule("delay", delay_seconds=600)
    payment = held_payment(merchant_server)
    make_due(payment.id)
    with monkeypatch.context() as patched:
        patched.setattr(holds, "submit", lambda *a, **k: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            sweep()
    payment.refresh_from_db()
    assert payment.status == "submitting"
    Payment.objects.filter(id=payment.id).update(next_attempt_at=Now())
    sweep()
    payment.refresh_from_db()
    assert payment.status == "succeeded"


def test_a_challenge_makes_a_card_payer_prove_it_at_the_gateway(
    merchant_server: MerchantServer, sandbox: SandboxProvider
) -> None:
    rule("challenge")
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"]).json()
    assert payment["status"] == "requires_action"
    sandbox.approve(payment["id"])
    assert deliver_callbacks(sandbox) == [200]
    run_background()
    assert Payment.objects.get().status == "succeeded"


def test_the_trace_of_a_challenged_payment_leads_to_the_account_that_took_it(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    """Cheaper ones that cannot make the payer prove anything are left out, and the trace says so."""
    cheap = make_account("cheap", gateway="wallet", base_url="inprocess://wallet")
    rule("challenge")
    payment = Payment.objects.get(id=merchant_server.pay(merchant_server.create_order()["id"]).json()["id"])
    assert payment.gateway_account_id == account.id
    assert replay(payment.routing) == payment.routing["chosen"] == [account.id]
    reasons = {entry["account"]: entry["excluded"] for entry in payment.routing["candidates"]}
    assert reasons == {cheap.id: "no_challenge", account.id: ""}


def test_a_challenge_that_no_gateway_can_make_wants_a_recent_sign_in(
    app_user: AppUser, merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule("challenge")
    order = Order.objects.get(id=_order_of(app_user, merchant_server))
    body = {"order": order.id, "method": "sandbox_redirect"}
    with monkeypatch.context() as patched:
        patched.setattr("payments.orders.payment_views.has_recent_sign_in", lambda request: False)
        refused = app_user.post("/payments", body, key="again")
    assert (refused.status_code, refused.json()["code"]) == (401, "reauth_required")
    assert Payment.objects.count() == 0
    assert Decision.objects.get().refusal == "reauth_required"
    assert app_user.post("/payments", body, key="again").json()["status"] == "requires_action"


def test_a_challenge_nobody_can_take_is_looked_at_by_a_person(merchant_server: MerchantServer) -> None:
    rule("challenge")
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect").json()
    assert (payment["status"], payment["hold"]) == ("created", "review")


def test_a_rejected_attempt_leaves_nothing_but_its_decision(merchant_server: MerchantServer) -> None:
    rule("reject")
    order = merchant_server.create_order()
    with nothing_changes():
        refused = merchant_server.pay(order["id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "payment_refused_by_risk")
    assert Decision.objects.get().refusal == "payment_refused_by_risk"


def test_the_facts_of_the_payer_reach_the_journal(merchant_server: MerchantServer) -> None:
    order = merchant_server.create_order()
    body = {
        "order": order["id"],
        "method": "card",
        "options": {"token": "tok_approve"},
        "payer": {"ip_address": "203.0.113.9", "device_id": "device-1"},
    }
    assert merchant_server.post("/payments", body).status_code == 201
    decision = Decision.objects.get()
    assert (decision.ip, decision.device_id, decision.subject_id) == ("203.0.113.9", "device-1", order["id"])
    assert len(decision.payment_method_key) == 32


def test_a_user_cannot_claim_to_be_elsewhere(app_user: AppUser, merchant_server: MerchantServer) -> None:
    order_id = _order_of(app_user, merchant_server)
    body = {"order": order_id, "method": "card", "payer": {"ip_address": "203.0.113.9"}}
    with nothing_changes():
        refused = app_user.post("/payments", body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "/payer/ip_address"


def test_a_failed_attempt_gives_its_share_of_a_daily_limit_back(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    PaymentLimit.objects.create(kind="day_sum", counted_per="merchant", currency="USD", max_amount_minor=3000)
    forget_everything()
    order = merchant_server.create_order()
    assert merchant_server.pay(order["id"], scenario="decline").json()["status"] == "failed"
    run_background()
    assert Usage.objects.get().used_minor == 0
    assert merchant_server.pay(order["id"]).json()["status"] == "succeeded"
    second = merchant_server.create_order()
    with nothing_changes():
        refused = merchant_server.pay(second["id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "payment_limit_reached")
    assert Usage.objects.get().used_minor == 1999


def _order_of(app_user: AppUser, merchant_server: MerchantServer) -> str:
    draft = OrderDraft(
        merchant_id=merchant_server.merchant.id,
        amount=Money(1999, "USD"),
        description="A thing",
        user_id=app_user.user.id,
    )
    return create_order(draft).id
