"""A payment that waits for a person: whoever comes at the same time, it is sent once or never."""

import pytest
from django.db.models.functions import Now

from paycore import outbox
from paycore.clock import database_now
from paycore.fresh import forget_everything
from payments.orders import holds
from payments.orders.models import Order, Payment
from payments.orders.services import cancel_order
from payments.orders.syncing import due_payments, sync_payment
from riskcontrol.cases import decide_case
from riskcontrol.models import Case, Rule
from tests.merchants.factories import make_user
from tests.races.conftest import Shop
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 40


@pytest.fixture(autouse=True)
def _everything_is_reviewed(shop: Shop) -> None:
    Rule.objects.create(name="all", expression="amount_minor > 0", action="review", mode="active")
    forget_everything()


def held(shop: Shop) -> Payment:
    payment = shop.payment()
    assert payment.status == "created"
    return payment


def released(shop: Shop) -> Payment:
    payment = held(shop)
    holds.release_held(payment.id)
    Case.objects.update(status="resolved")
    return payment


def sweep() -> list[str]:
    return [sync_payment(payment_id, now=database_now()).status for payment_id in due_payments(limit=20)]


def times_sent(shop: Shop, payment: Payment) -> int:
    with shop.sandbox.book.transaction():
        return len(shop.sandbox.book.rows("SELECT 1 FROM txn WHERE reference = ? AND taken > 0", payment.id))


def test_two_reviewers_give_one_verdict(shop: Shop, crew: Crew, tally: Tally) -> None:
    reviewers = [make_user().id, make_user().id]
    for _trial in range(TRIALS):
        case = Case.objects.get(object_id=held(shop).id)

        def verdict(value: str, by: str, case_id: str = case.id) -> str:
            return decide_case(case_id=case_id, verdict=value, note="looked", by_id=by).verdict

        words = tally.note(
            crew.at_once(lambda: verdict("approved", reviewers[0]), lambda: verdict("rejected", reviewers[1]))
        )
        assert words.count("case_already_decided") == 1
    shop.judge(tally)
    sweep()
    assert set(Payment.objects.values_list("status", flat=True)) <= {"succeeded", "canceled", "created", "submitting"}


def test_a_release_and_a_cancellation_leave_one_end(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        payment = held(shop)

        def release_and_send(payment_id: str = payment.id) -> str:
            holds.release_held(payment_id)
            Payment.objects.filter(id=payment_id, status="created").update(next_attempt_at=Now())
            sweep()
            return "swept"

        def cancel(order_id: str = payment.order_id) -> str:
            return cancel_order(order_id).status

        tally.note(crew.at_once(release_and_send, cancel, sweep))
        payment.refresh_from_db()
        order = Order.objects.get(id=payment.order_id)
        assert (times_sent(shop, payment), order.status) in {(0, "canceled"), (1, "paid"), (1, "canceled"), (0, "open")}
        assert order.status != "paid" or payment.status == "succeeded"
    shop.judge(tally)


def test_sweepers_send_a_released_payment_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        payment = released(shop)
        row = Payment.objects.select_related("order").get(id=payment.id)
        tally.note(crew.at_once(*[lambda row=row: holds.advance_held(row, now=database_now()).status] * 6))
        payment.refresh_from_db()
        assert (payment.status, times_sent(shop, payment)) == ("succeeded", 1)
    outbox.drain()
    shop.judge(tally)
