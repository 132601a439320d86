"""What merchants are told of, and the feed that lets them heal themselves."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from merchants.models import Merchant
from merchants.webhooks.errors import FeedPositionExpired, FeedStillNeeded
from merchants.webhooks.feed import check_position, close_feed, drop_old_events, listens, open_feed, record_event
from merchants.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEvent, WebhookFeed
from merchants.webhooks.services import disable_endpoint
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.models import EventRecord, OutboxMessage
from payments.ledger.invariants import run_checks
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, run_background
from tests.merchants.factories import make_merchant
from tests.merchants.hooks import happen, listen, news

pytestmark = pytest.mark.django_db


def age(event: WebhookEvent, *, days: int) -> None:
    """History cannot be changed, so the tests' clock is turned past its guard."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE merchants_webhookevent SET created_at = %s WHERE id = %s",
            [database_now() - timedelta(days=days), event.id],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_paid_and_refunded_order_is_told_step_by_step(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    listen(merchant_server.merchant)
    order, payment = merchant_server.paid_order()
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 5})
    run_background()

    events = list(WebhookEvent.objects.order_by("position"))
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert {event.type for event in events} == {
        "order.created", "payment.succeeded", "order.paid", "refund.requested", "refund.approved", "refund.succeeded",
    }  # fmt: skip
    told = {(event.object_id, event.sequence): event.type for event in events}
    house = EventRecord.objects.filter(object_id__in={event.object_id for event in events})
    assert told == {(row.object_id, row.sequence): row.name for row in house}

    paid = json.loads(next(event for event in events if event.type == "order.paid").body)
    assert (paid["object_id"], paid["sequence"], paid["data"]["status"]) == (order["id"], 2, "paid")
    shown = merchant_server.get(f"/orders/{order['id']}").json()
    assert paid["data"] == {**shown, "refunded_minor": 0}  # as it was when it was paid
    assert WebhookDelivery.objects.count() == len(events)


def test_nothing_is_written_for_a_merchant_who_does_not_listen(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    listen(make_merchant())
    merchant_server.paid_order()
    assert not OutboxMessage.objects.filter(handler__contains="merchant_news").exists()
    run_background()
    assert not WebhookEvent.objects.exists()


def test_an_endpoint_hears_only_what_it_asked_for_and_the_feed_everything(merchant: Merchant) -> None:
    picky, curious = listen(merchant, "https://a.example/", "order.paid"), listen(merchant, "https://b.example/")
    happen(merchant, type="order.paid")
    happen(merchant, type="order.closed")

    assert [d.event_type for d in picky.deliveries.all()] == ["order.paid"]
    assert sorted(d.event_type for d in curious.deliveries.all()) == ["order.closed", "order.paid"]
    assert WebhookEvent.objects.count() == 2


def test_a_second_run_for_the_same_event_records_nothing(merchant: Merchant) -> None:
    listen(merchant)
    once = news(merchant)
    assert record_event(once) is not None
    assert record_event(once) is None
    assert WebhookEvent.objects.count() == WebhookDelivery.objects.count() == 1
    assert WebhookFeed.objects.get().last_position == 1


def test_the_feed_records_without_any_endpoint_once_it_is_opened(merchant: Merchant) -> None:
    assert not listens(merchant.id)
    assert record_event(news(merchant)) is None
    open_feed(merchant.id)
    forget_everything()
    assert listens(merchant.id)
    assert record_event(news(merchant)) is not None
    assert not WebhookDelivery.objects.exists()


def test_the_feed_is_not_closed_under_an_enabled_endpoint(merchant: Merchant) -> None:
    endpoint = listen(merchant)
    with pytest.raises(FeedStillNeeded):
        close_feed(merchant.id)
    assert WebhookFeed.objects.get().is_recording

    disable_endpoint(merchant_id=merchant.id, endpoint_id=endpoint.id, actor="x")
    close_feed(merchant.id)
    assert record_event(news(merchant)) is None


def test_what_was_told_cannot_be_changed(merchant: Merchant) -> None:
    event = happen(merchant)
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        WebhookEvent.objects.filter(id=event.id).update(body="{}")


def test_old_events_are_dropped_from_the_oldest_and_a_late_reader_learns_it(merchant: Merchant) -> None:
    listen(merchant)
    events = [happen(merchant) for _ in range(5)]
    for event in events[:4]:
        age(event, days=31)
    WebhookDelivery.objects.exclude(event=events[2]).update(status="delivered", next_attempt_at=None)
    delivery = WebhookDelivery.objects.get(event=events[0])
    WebhookAttempt.objects.create(delivery=delivery, started_at=database_now(), duration_ms=1, status_code=200)

    assert drop_old_events(keep_days=30) == 2  # the third is still being delivered
    assert list(WebhookEvent.objects.order_by("position").values_list("position", flat=True)) == [3, 4, 5]
    assert not WebhookAttempt.objects.exists()
    with pytest.raises(FeedPositionExpired) as refused:
        check_position(merchant.id, after=1)
    assert refused.value.extra == {"oldest_position": 3}
    check_position(merchant.id, after=2)

    WebhookDelivery.objects.update(status="delivered", next_attempt_at=None)
    assert drop_old_events(keep_days=30) == 2
    assert drop_old_events(keep_days=30) == 0
    assert happen(merchant).position == 6


def broken(code: str = "J13") -> list[str]:
    return [example for finding in run_checks() if finding.code == code for example in finding.examples]


def without_guards(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_the_books_notice_news_that_was_lost_invented_or_never_sent(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    endpoint = listen(merchant_server.merchant)
    order = merchant_server.create_order()
    run_background()
    assert broken() == []

    disable_endpoint(merchant_id=endpoint.merchant_id, endpoint_id=endpoint.id, actor="x")
    without_guards("UPDATE merchants_webhookdelivery SET status = 'pending', next_attempt_at = clock_timestamp()")
    assert broken() == [WebhookDelivery.objects.get().id]

    without_guards("DELETE FROM merchants_webhookdelivery; DELETE FROM merchants_webhookevent")
    assert set(broken()) == {f"order.created {order['id']}", endpoint.merchant_id}

    invented = happen(merchant_server.merchant, object_id="ord_invented")
    assert invented.id in broken()
