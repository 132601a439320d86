"""What staff see of money, and what they may do about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from paycore.sites import ops_site
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.models import LedgerAccount, Posting, Transfer
from payments.ledger.queries import balance_of
from payments.orders.models import Capture, Evidence, Order, Payment, Refund
from payments.orders.refunds import RefundOrder, request_refund
from payments.orders.services import cancel_order
from payments.promotions.models import Promotion
from payments.routing.models import GatewayAccount, RoutingRule, RoutingRuleSet
from payments.webhooks.models import WebhookReceipt
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, run_background
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


def page(row: Any, action: str = "change") -> str:
    return reverse(f"ops:{row._meta.app_label}_{row._meta.model_name}_{action}", args=[quote(row.pk)])


def act(client: Client, row: Any, action: str, **fields: Any) -> Any:
    """Send an action's dialog; the page that it leads to."""
    return client.post(page(row, action), {"_form_submitted": "on", **fields}, follow=True)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def clerk(*permissions: str) -> Client:
    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


@pytest.fixture
def boss() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    return signed_in(boss)


@pytest.fixture
def paid(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    _order, payment = merchant_server.paid_order(amount_minor=20_000, merchant_order_number="SHOP-77")
    return Payment.objects.select_related("order").get(id=payment["id"])


@pytest.fixture
def unknown(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="timeout_after_effect").json()
    return Payment.objects.get(id=payment["id"])


@pytest.fixture
def held(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    order = merchant_server.create_order(amount_minor=10_000, capture_method="manual")
    return Payment.objects.get(id=merchant_server.pay(order["id"]).json()["id"])


@pytest.fixture
def surplus(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, settings: Any
) -> Payment:
    """Declined, the order canceled, and then the money came after all."""
    settings.PAYCORE_SURPLUS_POLICY = "hold"
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="decline_then_succeed(1)").json()
    cancel_order(order["id"])
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=2)):
        deliver_callbacks(sandbox)
    run_background()
    return Payment.objects.select_related("order").get(id=payment["id"], is_surplus=True)


def wait_for_review(payment: Payment, *, by: str = "key_of_the_shop") -> Refund:
    request = RefundOrder(payment_id=payment.id, amount=payment.amount, reason="Came broken", requested_by=by)
    refund = request_refund(request)
    assert refund.status == "requested"
    return refund


def test_every_row_has_a_page_that_cannot_be_edited_or_deleted(
    ops: Client, paid: Payment, held: Payment, unknown: Payment, surplus: Payment, sandbox: SandboxProvider
) -> None:
    wait_for_review(paid)
    act(ops, held, "capture", major="40.00", left="10000")
    deliver_callbacks(sandbox)
    run_background()
    seen = set()

    for model in (Order, Payment, Refund, Capture, Evidence, LedgerAccount, Posting, Transfer, WebhookReceipt, Case):
        for row in model.objects.all()[:20]:
            before = model.objects.filter(pk=row.pk).values().get()
            assert ops.get(page(row)).status_code == 200, row
            assert ops.post(page(row), {"status": "paid", "amount_minor": "1"}).status_code == 403
            assert ops.post(page(row, "delete"), {"post": "yes"}).status_code == 403
            assert model.objects.filter(pk=row.pk).values().get() == before
            seen.add(model)
    assert len(seen) == 10


def test_nothing_about_money_can_be_added_or_deleted_by_anybody(ops: Client) -> None:
    writable = {GatewayAccount, RoutingRuleSet, RoutingRule, Promotion}  # what decides about money, not the money
    for model, admin in ops_site._registry.items():
        if model._meta.app_label == "payments":
            base = f"ops:payments_{model._meta.model_name}"
            assert ops.get(reverse(f"{base}_add")).status_code == (200 if model in writable else 403), model
            assert "delete_selected" not in ops.get(reverse(f"{base}_changelist")).content.decode()
            assert admin.show_full_result_count is False


@pytest.mark.parametrize("model", ["order", "payment", "refund", "posting", "checkoutsession", "ledgeraccount"])
def test_staff_without_the_permission_see_nothing(paid: Payment, model: str) -> None:
    visitor = clerk("view_webhookreceipt")

    assert visitor.get(reverse(f"ops:payments_{model}_changelist")).status_code == 403


def test_an_order_page_tells_the_whole_story(ops: Client, paid: Payment) -> None:
    refund = wait_for_review(paid)

    text = ops.get(page(paid.order)).content.decode()

    for fact in ("$200.00", "SHOP-77", "Corner Shop", paid.id, refund.id, "Payment captured", "order.paid"):
        assert fact in text, fact


def test_the_books_are_shown_only_to_those_who_may_read_them(paid: Payment) -> None:
    shown = clerk("view_order", "view_transfer").get(page(paid.order)).content.decode()
    hidden = clerk("view_order").get(page(paid.order)).content.decode()

    assert "Our fees" in shown
    assert "Our fees" not in hidden


def test_a_payment_page_explains_routing_risk_and_failure(
    ops: Client, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    GatewayAccount.objects.create(
        name="Old account",
        gateway="sandbox",
        is_enabled=False,
        base_url="inprocess://sandbox",
        credentials={"secret": "x"},
        methods=["card"],
    )
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="decline(insufficient_funds)").json()

    row = Payment.objects.get(id=payment["id"])
    text = ops.get(page(row)).content.decode()

    for fact in (
        "The account is switched off",
        "Allow · ",
        row.risk["decision"],
        "There is not enough money on this card",
    ):
        assert fact in text, fact


@pytest.mark.parametrize("term", ["id", "order_id", "gateway_reference", "number"])
def test_a_payment_is_found_by_what_people_paste(
    ops: Client, paid: Payment, merchant_server: MerchantServer, term: str
) -> None:
    _order, other = merchant_server.paid_order()
    typed = "SHOP-77" if term == "number" else getattr(paid, term)

    found = ops.get(reverse("ops:payments_payment_changelist"), {"q": f" {typed} "}).content.decode()

    assert paid.id in found
    assert other["id"] not in found


def test_a_list_makes_the_same_queries_however_long_it_is(
    ops: Client, merchant_server: MerchantServer, account: GatewayAccount, django_assert_max_num_queries: Any
) -> None:
    for _payment in range(6):
        merchant_server.paid_order()
    for model in ("order", "payment", "posting", "transfer", "ledgeraccount"):
        with django_assert_max_num_queries(8):
            text = ops.get(reverse(f"ops:payments_{model}_changelist")).content.decode()
        assert "$" in text


@pytest.mark.parametrize(
    ("parameters", "is_found"),
    [
        ({"status__exact": "succeeded"}, True),
        ({"status__exact": "failed"}, False),
        ({"currency": "USD", "method": "card"}, True),
        ({"currency": "JPY"}, False),
        ({"created_at_from": "2020-01-01"}, True),
        ({"created_at_to": "2020-01-01"}, False),
        ({"created_at_from": "no date"}, True),
    ],
)
def test_filters_narrow_the_list(ops: Client, paid: Payment, parameters: dict[str, str], is_found: bool) -> None:
    response = ops.get(reverse("ops:payments_payment_changelist"), parameters)

    assert response.status_code == 200
    assert (paid.id in response.content.decode()) is is_found


def test_asking_the_gateway_resolves_an_unknown_payment(ops: Client, unknown: Payment, boss: User) -> None:
    assert unknown.status == "submitting"

    answer = act(ops, unknown, "ask_gateway")

    unknown.refresh_from_db()
    assert unknown.status == "succeeded"
    assert "Status: Succeeded" in answer.content.decode()
    assert str(boss.email) in ops.get(page(unknown, "history")).content.decode()
    assert_books_are_whole()


def test_looking_at_a_dialog_does_nothing(ops: Client, unknown: Payment) -> None:
    dialog = ops.get(page(unknown, "ask_gateway"))

    unknown.refresh_from_db()
    assert "What the gateway says is recorded" in dialog.content.decode()
    assert unknown.status == "submitting"


def test_a_form_without_its_token_does_nothing(boss: User, unknown: Payment) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss)

    assert act(strict, unknown, "ask_gateway").status_code == 403
    unknown.refresh_from_db()
    assert unknown.status == "submitting"


@pytest.mark.parametrize("action", ["ask_gateway", "capture", "void", "accept", "send_back"])
def test_who_may_only_look_can_do_nothing(held: Payment, action: str) -> None:
    visitor = clerk("view_payment")
    before = Payment.objects.filter(id=held.id).values().get()

    assert visitor.get(page(held)).status_code == 200
    assert act(visitor, held, action, major="1.00", left="10000").status_code == 403
    assert Payment.objects.filter(id=held.id).values().get() == before
    assert not Capture.objects.exists()
    assert not Transfer.objects.exists()


def test_held_money_is_captured_in_part_and_a_second_copy_of_the_form_takes_nothing(ops: Client, held: Payment) -> None:
    first = act(ops, held, "capture", major="40.00", left="10000")
    again = act(ops, held, "capture", major="40.00", left="10000")

    held.refresh_from_db()
    assert "succeeded" in first.content.decode()
    assert "has changed meanwhile" in again.content.decode()
    assert (held.status, held.captured_minor) == ("authorized", 4_000)
    assert Capture.objects.count() == 1
    assert_books_are_whole()


@pytest.mark.parametrize("amount", ["0", "100.01", "-1", "1.001", "ten", ""])
def test_an_impossible_amount_captures_nothing(ops: Client, held: Payment, amount: str) -> None:
    answer = act(ops, held, "capture", major=amount, left="10000")

    assert answer.status_code == 200
    assert not answer.redirect_chain
    assert not Capture.objects.exists()


def test_held_money_is_let_go(ops: Client, held: Payment) -> None:
    act(ops, held, "void")

    held.refresh_from_db()
    assert held.status == "canceled"
    assert not Transfer.objects.exists()


def test_a_refused_action_says_why_and_changes_nothing(ops: Client, paid: Payment) -> None:
    before = Payment.objects.filter(id=paid.id).values().get()
    transfers = Transfer.objects.count()

    for action in ("void", "accept", "send_back"):
        answer = act(ops, paid, action).content.decode()
        assert "not authorized" in answer or "no surplus money" in answer, action

    assert Payment.objects.filter(id=paid.id).values().get() == before
    assert (Transfer.objects.count(), Refund.objects.count()) == (transfers, 0)


def test_only_actions_that_fit_the_state_are_offered(
    ops: Client, paid: Payment, held: Payment, unknown: Payment
) -> None:
    offered = {payment.id: offered_actions(ops, payment) for payment in (paid, held, unknown)}

    assert offered == {paid.id: set(), held.id: {"ask_gateway", "capture", "void"}, unknown.id: {"ask_gateway"}}


def offered_actions(client: Client, payment: Payment) -> set[str]:
    text = client.get(page(payment)).content.decode()
    return {name for name in ("ask_gateway", "capture", "void", "accept", "send_back") if page(payment, name) in text}


def test_surplus_money_is_sent_back(ops: Client, surplus: Payment) -> None:
    assert Case.objects.filter(kind="surplus_payment", status="open").count() == 1

    act(ops, surplus, "send_back")
    run_background()

    surplus.refresh_from_db()
    assert surplus.refunded_minor == surplus.captured_minor == 1999
    assert balance_of("suspense", currency="USD").minor == 0
    assert not Case.objects.filter(status="open").exists()
    assert_books_are_whole()


def test_surplus_money_is_given_to_its_order(ops: Client, surplus: Payment, boss: User) -> None:
    act(ops, surplus, "accept")

    surplus.refresh_from_db()
    assert (surplus.is_surplus, surplus.order.status) == (False, "paid")
    assert balance_of("suspense", currency="USD").minor == 0
    assert Case.objects.get().resolved_by == boss
    assert_books_are_whole()


def test_a_reviewer_approves_a_refund_and_it_is_sent(ops: Client, boss: User, paid: Payment) -> None:
    refund = wait_for_review(paid)

    act(ops, refund, "approve", note="looks right")
    run_background()

    refund.refresh_from_db()
    assert (refund.status, refund.reviewed_by, refund.review_note) == ("succeeded", boss.pk, "looks right")
    assert_books_are_whole()


def test_a_rejection_needs_a_reason_and_frees_the_money(ops: Client, paid: Payment) -> None:
    refund = wait_for_review(paid)

    act(ops, refund, "reject", note="")
    refund.refresh_from_db()
    assert refund.status == "requested"

    act(ops, refund, "reject", note="outside the 30 days")
    refund.refresh_from_db()
    paid.refresh_from_db()
    assert (refund.status, paid.refund_pending_minor) == ("rejected", 0)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_who_asked_for_a_refund_does_not_decide_about_it(ops: Client, boss: User, paid: Payment, action: str) -> None:
    refund = wait_for_review(paid, by=str(boss.pk))

    answer = act(ops, refund, action, note="my own")

    refund.refresh_from_db()
    assert "another person must decide" in answer.content.decode()
    assert (refund.status, refund.reviewed_by) == ("requested", "")


def test_a_decided_refund_is_not_decided_again(ops: Client, paid: Payment) -> None:
    refund = wait_for_review(paid)
    act(ops, refund, "reject", note="no")

    answer = act(ops, refund, "approve", note="yes")

    refund.refresh_from_db()
    assert "cannot move from its present state" in answer.content.decode()
    assert refund.status == "rejected"


def test_refunds_that_wait_for_review_come_first(ops: Client, merchant_server: MerchantServer, paid: Payment) -> None:
    waiting = wait_for_review(paid)
    _order, other = merchant_server.paid_order()
    sent = request_refund(
        RefundOrder(payment_id=other["id"], amount=None, reason="small", requested_by="key"), is_reviewed=True
    )

    text = ops.get(reverse("ops:payments_refund_changelist")).content.decode()

    assert text.index(waiting.id) < text.index(sent.id)
