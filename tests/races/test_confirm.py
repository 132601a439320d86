"""Paying raced against itself, its callback, cancellation, expiry and another gateway account."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from paycore import outbox
from paycore.models import IdempotencyKey
from payments.errors import OrderNotOpen
from payments.gateways.contract import GatewayUnavailable, HttpRequest
from payments.orders import charging
from payments.orders.models import Order, Payment
from payments.orders.services import cancel_order, expire_order
from payments.routing.models import GatewayAccount
from payments.routing.services import forget_accounts
from tests.races.conftest import Intercepted, Shop
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 100


def successes(order_id: str) -> int:
    return Payment.objects.filter(order_id=order_id, status="succeeded", is_surplus=False).count()


def test_confirms_with_different_keys_pay_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        order = shop.order()

        words = tally.note(crew.at_once(*[partial(shop.servers[by].pay, order.id) for by in range(3)]))

        assert words.count("201") == 1, words
        assert set(words) <= {"201", "409 payment_in_progress", "409 order_not_open"}, words
        assert successes(order.id) == Payment.objects.filter(order_id=order.id).count() == 1
    shop.judge(tally)


def test_confirms_with_one_key_pay_once_and_answer_the_same(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        order, key = shop.order(), f"same-{trial}"

        deeds = crew.at_once(*[partial(shop.servers[by].pay, order.id, key=key) for by in range(3)])

        words = tally.note(deeds)
        assert "201" in words, words
        assert set(words) <= {"201", "409 idempotency_key_busy"}, words
        bodies = {deed.answer.content for deed in deeds if deed.answer.status_code == 201}
        bodies.add(shop.server.pay(order.id, key=key).content)
        assert len(bodies) == 1
        assert successes(order.id) == Payment.objects.filter(order_id=order.id).count() == 1
    shop.judge(tally)


def test_one_request_that_creates_and_pays_raced_under_one_key_leaves_one_order(
    shop: Shop, crew: Crew, tally: Tally, numbers: Callable[[], str]
) -> None:
    for trial in range(TRIALS):
        number = numbers()
        details = {"currency": "USD", "amount_minor": 700, "description": "Tea", "merchant_order_number": number}
        body = {"order_details": details, "method": "card"}
        keys = [f"one-{trial}", f"one-{trial}", f"two-{trial}"]

        words = tally.note(
            crew.at_once(
                *[
                    lambda by=by, key=key: shop.servers[by].post("/payments", body, key=key)
                    for by, key in enumerate(keys)
                ]
            )
        )

        assert set(words) <= {"201", "409 idempotency_key_busy", "409 order_number_taken"}, words
        order = Order.objects.get(merchant_order_number=number)
        assert successes(order.id) == order.payments.count() == 1
    shop.judge(tally)


def test_orders_with_one_number_are_created_once(
    shop: Shop, crew: Crew, tally: Tally, numbers: Callable[[], str]
) -> None:
    for _trial in range(TRIALS):
        number = numbers()
        body = {"currency": "USD", "amount_minor": 700, "description": "Tea", "merchant_order_number": number}

        words = tally.note(crew.at_once(*[partial(shop.servers[by].post, "/orders", body) for by in range(4)]))

        assert Counter(words) == {"201": 1, "409 order_number_taken": 3}
        assert Order.objects.filter(merchant_order_number=number).count() == 1
    shop.judge(tally)


def test_a_callback_that_overtakes_the_answer_changes_nothing_twice(
    shop: Shop, crew: Crew, tally: Tally, intercepted: Intercepted
) -> None:
    for trial in range(TRIALS):
        order, is_made = shop.order(), threading.Event()
        intercepted.after = lambda _request, is_made=is_made: is_made.set()

        def hear(by: int, is_made: threading.Event = is_made) -> Any:
            assert is_made.wait(10)
            answers = [shop.post(callback, by=by) for callback in shop.sandbox.take_callbacks()]
            outbox.drain()
            return answers[0] if answers else "nothing to hear"

        words = tally.note(
            crew.at_once(
                partial(shop.servers[0].pay, order.id, scenario="approve+duplicate_callbacks(2)"),
                partial(hear, 1),
                partial(hear, 2),
            )
        )

        assert words[0] == "201", (trial, words)
        assert successes(order.id) == 1
    shop.judge(tally)


def test_cancel_against_pay_never_keeps_money_for_a_canceled_order(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        order = shop.order()
        scenario = "require_action" if trial % 2 else "approve"

        words = tally.note(
            crew.at_once(
                partial(shop.servers[0].pay, order.id, scenario=scenario),
                partial(shop.servers[1].post, f"/orders/{order.id}/cancel"),
            )
        )

        refusals = {"409 order_not_open", "409 payment_in_progress"}
        assert words[0] == "201" or words[0] in refusals, words
        assert words[1] == "200" or words[1] in refusals, words
        order.refresh_from_db()
        assert (order.status == "canceled") == (words[1] == "200"), words
        if order.status == "canceled":
            assert successes(order.id) == 0
    assert tally.outcomes["200"], "cancel never won"
    assert tally.outcomes["201"], "pay never won"
    shop.judge(tally)


def test_expiry_against_a_late_success_ends_paid_or_gives_the_money_back(shop: Shop, crew: Crew, tally: Tally) -> None:
    ends: Counter[str] = Counter()
    for _trial in range(TRIALS):
        payment = shop.waiting_payment()
        Order.objects.filter(id=payment.order_id).update(next_attempt_at="2020-01-01T00:00Z")

        def approve_and_tell(payment: Payment = payment) -> str:
            shop.sandbox.approve(payment.id)
            shop.deliver()
            outbox.drain()
            return "told"

        def expire(payment: Payment = payment) -> str:
            ended = expire_order(payment.order_id)
            return ended.status if ended else "not expired"

        tally.note(crew.at_once(approve_and_tell, expire))

        order = Order.objects.get(id=payment.order_id)
        ends[order.status] += 1
        assert successes(order.id) == (order.status == "paid")
    assert set(ends) <= {"paid", "expired"}, ends
    shop.judge(tally)


def test_success_that_is_told_after_expiry_is_surplus_and_goes_back(shop: Shop, crew: Crew, tally: Tally) -> None:
    """The callback of an approval that won at the provider races the expiry that believes it has closed it."""
    for _trial in range(TRIALS):
        payment = shop.payment(scenario="decline_then_succeed(0.001)")
        assert payment.status == "failed"

        def revive() -> str:
            shop.deliver()
            outbox.drain()
            return "told"

        def cancel(payment: Payment = payment) -> str:
            try:
                return cancel_order(payment.order_id).status
            except OrderNotOpen:
                return "not open"

        tally.note(crew.at_once(revive, revive, cancel))

    assert tally.outcomes["canceled"], tally.outcomes
    shop.judge(tally)
    for payment in Payment.objects.filter(is_surplus=True):
        assert payment.refunded_minor == payment.captured_minor
        assert payment.order.status == "canceled"


def test_payers_raced_over_two_accounts_pay_at_one(
    shop: Shop, crew: Crew, tally: Tally, intercepted: Intercepted
) -> None:
    """The preferred account is down: whoever comes first fails over, nobody else begins meanwhile, one pays once."""
    add_spare_account(shop)
    down = shop.account.id

    def refuse_sometimes(request: HttpRequest) -> None:
        """By the payment's number, so that a payment is refused by its first account only."""
        if is_creation(request) and Payment.objects.filter(id=reference_in(request), gateway_account_id=down).exists():
            raise GatewayUnavailable("connection refused")

    intercepted.before = refuse_sometimes
    for _trial in range(TRIALS):
        order = shop.order()
        words = tally.note(crew.at_once(*[partial(shop.servers[by].pay, order.id) for by in range(3)]))

        assert set(words) <= {"201", "409 payment_in_progress", "409 order_not_open"}, words
        assert "201" in words
        statuses = sorted(order.payments.values_list("status", flat=True))
        assert statuses[-1] == "succeeded"
        assert set(statuses[:-1]) <= {"failed"}
    # After a few of them routing has learned it and goes to the other account at once.
    assert Payment.objects.filter(gateway_account_id=down, status="failed").count() >= 3
    shop.judge(tally)


def test_a_failover_that_comes_too_late_gives_the_repeat_the_same_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its first account's refusal and its second attempt, somebody else pays the order."""
    add_spare_account(shop)
    order = shop.order()
    begin = charging.begin_payment

    def begin_late(*args: Any, failed: Any, **kwargs: Any) -> Any:
        if failed is not None:
            monkeypatch.setattr(charging, "begin_payment", begin)
            assert shop.servers[1].pay(order.id).json()["status"] == "succeeded"
        return begin(*args, failed=failed, **kwargs)

    monkeypatch.setattr(charging, "begin_payment", begin_late)
    first = shop.server.pay(order.id, scenario="unavailable", key="too-late")
    again = shop.server.pay(order.id, scenario="unavailable", key="too-late")

    assert again.status_code == first.status_code
    assert again.json() == first.json()
    assert successes(order.id) == 1
    shop.judge(Tally())


def add_spare_account(shop: Shop) -> None:
    GatewayAccount.objects.filter(id=shop.account.id).update(priority=50)
    GatewayAccount.objects.create(
        name="Spare",
        gateway="sandbox",
        base_url="inprocess://sandbox",
        credentials=shop.account.credentials,
        methods=["card"],
        priority=60,
    )
    forget_accounts()


def is_creation(request: HttpRequest) -> bool:
    return request.method == "POST" and request.url.endswith("/v1/payments")


def reference_in(request: HttpRequest) -> str:
    return str(json.loads(request.body)["reference"])


def test_a_request_that_lost_its_lease_begins_no_further_attempt(shop: Shop, intercepted: Intercepted) -> None:
    """Its first account was so slow that a repeat took the key over: what it does now must not count as well."""
    add_spare_account(shop)
    order = shop.order()
    asked: list[str] = []

    def lose_the_lease(request: HttpRequest) -> None:
        asked.append(request.url)
        IdempotencyKey.objects.filter(key="lost").update(lease_token=uuid4())

    intercepted.after = lose_the_lease
    first = shop.server.pay(order.id, scenario="unavailable(1)", key="lost")

    assert len(asked) == 1, "a second account was asked without the lease"
    assert first.status_code == 409
    assert Payment.objects.filter(order=order).count() == 1
