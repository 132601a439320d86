"""What is told about a payment, in every order and with copies: the end is the same."""

from collections.abc import Iterator
from functools import partial
from itertools import permutations, product
from typing import Any

import pytest
from django.db import transaction

from payments.gateways.contract import ActionKind, NextAction, Outcome, PaymentResult, RefundResult
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Payment, Refund
from payments.orders.refunds import RefundOrder, record_refund_result, request_refund
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, post_callback, run_background, sync

pytestmark = pytest.mark.django_db
WEBHOOK = Evidence.Source.WEBHOOK


def result(reference: str, outcome: Outcome, **more: Any) -> PaymentResult:
    action = (
        NextAction(ActionKind.REDIRECT, url="http://sandbox.test/x") if outcome is Outcome.REQUIRES_ACTION else None
    )
    known = {"amount_minor": 1000, "currency": "USD", "gateway_reference": f"stx_{reference[-12:]}"}
    return PaymentResult(reference, outcome, action=action, **{**known, **more})


NEWS: dict[str, dict[str, Any]] = {
    "action": {"outcome": Outcome.REQUIRES_ACTION},
    "pending": {"outcome": Outcome.PENDING},
    "success": {"outcome": Outcome.SUCCEEDED, "captured_minor": 1000},
    "late_fail": {"outcome": Outcome.FAILED, "failure_code": "card_declined"},
    "canceled": {"outcome": Outcome.CANCELED},
    "wrong_amount": {"outcome": Outcome.SUCCEEDED, "amount_minor": 999, "captured_minor": 999},
    "not_found": {"outcome": Outcome.NOT_FOUND},
}


def silent_payment(server: MerchantServer, **more: Any) -> Payment:
    """Its outcome is unknown: all that counts comes later."""
    order = server.create_order(amount_minor=1000, **more)
    answer = server.pay(order["id"], scenario="timeout_before_effect+no_callback").json()
    assert answer["status"] == "submitting"
    return Payment.objects.get(id=answer["id"])


class Undone(Exception):
    pass


def each_from_the_same_start(stories: Any) -> Iterator[Any]:
    """Every story begins at the same rows: what the one before wrote is rolled back."""
    for story in stories:
        try:
            with transaction.atomic():
                yield story
                raise Undone
        except Undone:
            pass


def end_of(payment: Payment) -> dict[str, Any]:
    row = Payment.objects.select_related("order").get(id=payment.id)
    return {
        "payment": (row.status, row.authorized_minor, row.captured_minor, row.fee_minor, row.is_surplus),
        "left": (row.action, row.failure_code, row.next_attempt_at, row.gateway_reference),
        "order": (row.order.status, row.order.refunded_minor, row.order.next_attempt_at),
    }


def test_news_with_a_success_ends_paid_in_every_order(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    payment = silent_payment(merchant_server)
    ends = []
    stories = [
        *permutations(("action", "success", "late_fail", "wrong_amount", "not_found")),
        *permutations(("pending", "success", "canceled", "late_fail")),
    ]
    for story in each_from_the_same_start(stories):
        for name in story:
            record_payment_result(payment.id, result(payment.id, **NEWS[name]), source=WEBHOOK)
        ends.append(end_of(payment))
    assert len(ends) == 120 + 24
    assert ends[0]["payment"] == ("succeeded", 1000, 1000, 59, False)
    assert ends[0]["order"] == ("paid", 0, None)
    assert all(end == ends[0] for end in ends)


def test_copies_of_every_piece_of_news_change_nothing_more(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    payment = silent_payment(merchant_server)
    names = ("action", "success", "late_fail")
    ends = []
    for story in each_from_the_same_start(product(names, repeat=4)):
        if "success" in story:
            for name in story:
                record_payment_result(payment.id, result(payment.id, **NEWS[name]), source=WEBHOOK)
            assert_books_are_whole()
            ends.append(end_of(payment))
    assert all(end == ends[0] for end in ends)


def test_news_without_a_success_never_takes_money(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    payment = silent_payment(merchant_server)
    names = ("action", "pending", "late_fail", "wrong_amount", "not_found")
    for story in each_from_the_same_start(permutations(names)):
        for name in story:
            record_payment_result(payment.id, result(payment.id, **NEWS[name]), source=WEBHOOK)
        end = end_of(payment)
        assert end["payment"] == ("failed", 0, 0, 0, False), story
        assert end["order"][:2] == ("open", 0)


def test_parts_of_a_capture_add_up_in_every_order(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    payment = silent_payment(merchant_server, capture_method="manual")
    news = {
        "held": {"outcome": Outcome.AUTHORIZED, "captured_minor": 0},
        "part": {"outcome": Outcome.AUTHORIZED, "captured_minor": 300},
        "more": {"outcome": Outcome.AUTHORIZED, "captured_minor": 700},
        "end": {"outcome": Outcome.SUCCEEDED, "captured_minor": 700},
    }
    for story in each_from_the_same_start(permutations(news)):
        for name in story:
            record_payment_result(payment.id, result(payment.id, **news[name]), source=WEBHOOK)
        end = end_of(payment)
        assert end["payment"][:3] == ("succeeded", 1000, 700), story
        assert end["order"][0] == "paid"
        assert_books_are_whole()


def test_news_of_a_payment_and_its_refund_in_every_order(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, paid = merchant_server.paid_order(amount_minor=1000)
    payment = Payment.objects.get(id=paid["id"])
    refund = request_refund(RefundOrder(payment_id=payment.id, amount=None, reason="x", requested_by="tests"))
    Refund.objects.filter(id=refund.id).update(status="submitting")
    given = RefundResult(refund.id, Outcome.SUCCEEDED, amount_minor=1000, currency="USD", gateway_reference="sgb_1")
    pending = RefundResult(refund.id, Outcome.PENDING)

    def tell(name: str) -> None:
        if name in NEWS:
            record_payment_result(payment.id, result(payment.id, **NEWS[name]), source=WEBHOOK)
        else:
            record_refund_result(refund.id, given if name == "given" else pending, source=WEBHOOK)

    for story in each_from_the_same_start(permutations(("success", "late_fail", "given", "given_pending"))):
        for name in (*story, *story):
            tell(name)
        refund.refresh_from_db()
        assert refund.status == "succeeded", story
        assert end_of(payment)["order"][:2] == ("closed", 1000)
        assert_books_are_whole()


def test_real_callbacks_and_a_poll_in_every_order(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    """Through the address, the receipt and the outbox: the action's approval, its refund, old news, copies."""
    for story in permutations(("news", "older_news", "copy", "poll")):
        order = merchant_server.create_order(amount_minor=1000)
        scenario = "require_action+out_of_order_callbacks"
        payment_id = merchant_server.pay(order["id"], scenario=scenario).json()["id"]
        sandbox.approve(payment_id)
        newest, older = sandbox.take_callbacks()
        acts: dict[str, Any] = {
            "news": partial(post_callback, *newest),
            "older_news": partial(post_callback, *older),
            "copy": partial(post_callback, *newest),
            "poll": partial(sync, payment_id),
        }
        for name in story:
            acts[name]()
            run_background()
        end = end_of(Payment.objects.get(id=payment_id))
        assert end["payment"][0] == "succeeded", story
        assert end["left"][:3] == (None, "", None), story
        assert end["order"] == ("paid", 0, None), story
        assert Evidence.objects.filter(object_id=payment_id, outcome="succeeded", is_applied=True).count() == 1
    assert_books_are_whole()
