"""Refunds, captures and voids raced against each other; and what happens without the lock."""

from functools import partial
from typing import Any

import pytest
from django.db.models import Sum

from paycore.money import Money
from payments.gateways.contract import HttpRequest
from payments.orders import refunds
from payments.orders.captures import request_capture, send_capture
from payments.orders.models import Capture, Order, Payment, Refund
from payments.orders.refunds import RefundOrder, request_refund, send_refund
from tests.actors import run_background
from tests.races.conftest import Intercepted, Shop, refunded_or_reserved
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 100


def ask_for(payment: Payment, *, minor: int) -> Refund:
    amount = Money(minor, payment.currency)
    return request_refund(RefundOrder(payment_id=payment.id, amount=amount, reason="race", requested_by="tests"))


def send(refund_id: str) -> str:
    return send_refund(refund_id).status


def test_refunds_at_once_never_exceed_the_payment(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        payment = shop.payment()
        body = {"payment": payment.id, "amount_minor": 600, "reason": "broken"}

        words = tally.note(crew.at_once(*[partial(shop.servers[by].post, "/refunds", body) for by in range(2)]))

        assert sorted(words) == ["201", "409 refund_exceeds_payment"]
        assert refunded_or_reserved(payment) == 600
    run_background()
    shop.judge(tally)


def test_parts_that_fit_are_all_refunded_and_close_the_order_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        payment = shop.payment()

        def give_back(payment: Payment = payment) -> str:
            return send_refund(ask_for(payment, minor=500).id).status

        words = tally.note(crew.at_once(give_back, give_back))

        assert words == ["succeeded"] * 2
        assert Order.objects.get(id=payment.order_id).status == "closed"
    shop.judge(tally)


def test_one_refund_sent_by_two_workers_is_given_back_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        refund = ask_for(shop.payment(), minor=400)

        words = tally.note(crew.at_once(partial(send, refund.id), partial(send, refund.id), shop.deliver))

        assert words[:2] == ["succeeded", "succeeded"]
    shop.judge(tally)


def test_capture_against_void_takes_the_money_or_lets_it_go(shop: Shop, crew: Crew, tally: Tally) -> None:
    ends: list[str] = []
    for _trial in range(TRIALS):
        payment = shop.payment(capture="manual")
        assert payment.status == "authorized"

        words = tally.note(
            crew.at_once(
                partial(shop.servers[0].post, f"/payments/{payment.id}/capture"),
                partial(shop.servers[1].post, f"/payments/{payment.id}/void"),
            )
        )

        allowed = {"201", "200", "409 payment_not_authorized", "409 capture_in_progress"}
        assert set(words) <= allowed, words
        payment.refresh_from_db()
        ends.append(payment.status)
        taken = payment.captures.filter(status="succeeded").aggregate(total=Sum("amount_minor"))["total"] or 0
        assert (payment.status, payment.captured_minor) in {("succeeded", 1000), ("canceled", 0)}, words
        assert taken == payment.captured_minor
    assert set(ends) <= {"succeeded", "canceled"}, ends
    shop.judge(tally)


def test_a_void_that_comes_after_the_capture_it_did_not_see_is_refused(shop: Shop, intercepted: Intercepted) -> None:
    """Between the void's look and its call to the gateway, a capture is asked for and done."""
    payment = shop.payment(capture="manual")
    payment_id = payment.id

    def capture_first(request: HttpRequest) -> None:
        if request.url.endswith("/void"):
            intercepted.before = lambda _request: None
            assert send_capture(request_capture(payment_id, amount=None, is_final=True).id).status == "succeeded"

    intercepted.before = capture_first
    answer = shop.server.post(f"/payments/{payment_id}/void")

    assert 400 <= answer.status_code < 500, answer.content
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == ("succeeded", 1000)
    shop.judge(Tally())


def test_captures_at_once_never_take_more_than_is_held(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS // 2):
        payment = shop.payment(capture="manual")
        body, path = {"amount_minor": 600, "is_final": False}, f"/payments/{payment.id}/capture"

        words = tally.note(crew.at_once(*[partial(shop.servers[by].post, path, body) for by in range(3)]))

        assert words.count("201") == 1, words
        assert set(words) <= {"201", "409 capture_in_progress", "409 capture_exceeds_authorization"}, words
        payment.refresh_from_db()
        assert payment.captured_minor == 600
    assert not Capture.objects.exclude(status="succeeded").exists()
    shop.judge(tally)


def test_without_lock_and_conditional_update_the_same_race_over_refunds(
    shop: Shop, crew: Crew, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector's power: "sum, then insert" as one would write it without thinking of others."""

    def read_without_lock(payment_id: str) -> tuple[Order, Payment]:
        payment = Payment.objects.select_related("order").get(id=payment_id)
        return payment.order, payment

    def sum_then_insert(payment: Payment, amount: Money) -> bool:
        return refunded_or_reserved(payment) + amount.minor <= payment.captured_minor

    monkeypatch.setattr(refunds, "lock_payment", read_without_lock)
    monkeypatch.setattr(refunds, "_reserve", sum_then_insert)
    over_refunded = 0
    for _trial in range(TRIALS):
        payment = shop.payment()
        acts: list[Any] = [lambda payment=payment: ask_for(payment, minor=600).id for _ in range(3)]
        crew.at_once(*acts)
        over_refunded += refunded_or_reserved(payment) > 1000
    assert over_refunded >= TRIALS // 10, f"the race found the missing lock in {over_refunded} of {TRIALS} trials only"
