"""Callbacks, polls and the outbox raced against each other."""

from collections import Counter

import pytest

from paycore import outbox
from paycore.clock import database_now
from paycore.models import EventRecord, OutboxMessage
from payments.orders.models import Evidence, Order, Payment
from payments.orders.syncing import due_payments, sync_payment
from payments.webhooks.models import WebhookReceipt
from tests.races.conftest import Shop
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 100


def test_callback_against_poll_pays_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        payment = shop.waiting_payment()
        shop.sandbox.approve(payment.id)
        [callback] = shop.sandbox.take_callbacks()

        def hear(callback: object = callback) -> str:
            status = shop.post(callback, by=0).status_code  # type: ignore[arg-type]
            outbox.drain()
            return str(status)

        def poll(payment: Payment = payment) -> str:
            return sync_payment(payment.id, now=database_now()).status

        words = tally.note(crew.at_once(hear, poll))

        assert words == ["200", "succeeded"]
        assert Order.objects.get(id=payment.order_id).status == "paid"
        assert EventRecord.objects.filter(object_id=payment.order_id, name="order.paid").count() == 1
        assert Evidence.objects.filter(object_id=payment.id, outcome="succeeded", is_applied=True).count() == 1
    shop.judge(tally)


def test_thirty_two_copies_of_a_callback_are_one(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        payment = shop.waiting_payment()
        shop.sandbox.approve(payment.id)
        [callback] = shop.sandbox.take_callbacks()
        before = WebhookReceipt.objects.count()

        copies = [lambda by=by, callback=callback: shop.post(callback, by=by) for by in range(32)]
        words = tally.note(crew.at_once(*copies))

        assert Counter(words) == {"200": 32}, trial
        assert WebhookReceipt.objects.count() == before + 1
        outbox.drain()
        assert Payment.objects.get(id=payment.id).status == "succeeded"
    shop.judge(tally)


def test_drain_against_drain_handles_each_message_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        shop.payment()
        due = OutboxMessage.objects.filter(status="pending").count()

        deeds = crew.at_once(outbox.drain, outbox.drain, outbox.drain)

        tally.note(deeds)
        assert sum(deed.answer for deed in deeds) == due
        assert not OutboxMessage.objects.filter(status="pending").exists()
    assert not OutboxMessage.objects.filter(attempts__gt=1).exists()
    shop.judge(tally)


def test_pollers_share_the_due_payments(shop: Shop, crew: Crew, tally: Tally) -> None:
    payments = [shop.waiting_payment() for _ in range(20)]
    for _trial in range(TRIALS // 2):
        Payment.objects.filter(id__in=[payment.id for payment in payments]).update(next_attempt_at="2020-01-01T00:00Z")

        deeds = crew.at_once(*[lambda: due_payments(limit=8) for _ in range(4)])

        tally.note(deeds)
        leased = [payment_id for deed in deeds for payment_id in deed.answer]
        assert len(leased) == len(set(leased)), "two pollers hold one payment"
    for payment in payments:
        shop.sandbox.decline(payment.id)
    shop.judge(tally)
