"""Writing down what merchants are told: the feed that they read, and one delivery for each endpoint that wants it.

A position is given out under the lock of the merchant's feed and held until the commit, so positions have no gap and
become visible in their order: who has read up to 7 will never find a new 6. Two runs for one event record it once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now
from rest_framework.utils.encoders import JSONEncoder

from merchants.webhooks.bells import WEBHOOKS
from merchants.webhooks.errors import FeedPositionExpired, FeedStillNeeded
from merchants.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookFeed
from paycore import bell
from paycore.errors import NotFound
from paycore.fresh import Fresh
from paycore.identifiers import new_id


@dataclass(frozen=True, slots=True)
class News:
    """``sequence`` counts the events about ``object_id`` from 1; ``data`` is the object as the API shows it."""

    merchant_id: str
    type: str
    object_id: str
    sequence: int
    occurred_at: datetime
    data: dict[str, Any]


def _is_recording(merchant_id: str) -> bool:
    return WebhookFeed.objects.filter(merchant_id=merchant_id, is_recording=True).exists()


_recording = Fresh(_is_recording)


def listens(merchant_id: str) -> bool:
    """Whether this merchant's events are recorded; may be two seconds old, for it is asked on every payment."""
    return _recording.get(merchant_id)


def record_event(news: News) -> WebhookEvent | None:
    """Append to the merchant's feed and write its deliveries; None when it is there already, or nobody records."""
    with transaction.atomic():
        feed = lock_feed(news.merchant_id)
        if feed is None or not feed.is_recording or _is_known(news):
            return None
        endpoints = WebhookEndpoint.objects.filter(
            merchant_id=news.merchant_id, status=WebhookEndpoint.Status.ENABLED
        ).defer("secret", "previous_secret")
        return append(feed, news, endpoints=[endpoint for endpoint in endpoints if endpoint.wants(news.type)])


def lock_feed(merchant_id: str) -> WebhookFeed | None:
    return WebhookFeed.objects.select_for_update(no_key=True).filter(merchant_id=merchant_id).first()


def append(feed: WebhookFeed, news: News, *, endpoints: Sequence[WebhookEndpoint]) -> WebhookEvent:
    """The caller holds the feed's lock."""
    feed.last_position += 1
    feed.save(update_fields=["last_position"])
    event_id = new_id("evt")
    event = WebhookEvent.objects.create(
        id=event_id,
        merchant_id=news.merchant_id,
        position=feed.last_position,
        type=news.type,
        object_id=news.object_id,
        sequence=news.sequence,
        body=_rendered(news, event_id=event_id, position=feed.last_position),
        occurred_at=news.occurred_at,
    )
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(merchant_id=news.merchant_id, endpoint=endpoint, event=event, event_type=news.type)
        for endpoint in endpoints
    )
    if endpoints:
        bell.ring_on_commit(WEBHOOKS)
    return event


def next_sequence(object_id: str) -> int:
    """For events that are ours alone; the caller holds the feed's lock."""
    highest = WebhookEvent.objects.filter(object_id=object_id).aggregate(highest=Max("sequence"))["highest"]
    return int(highest or 0) + 1


def _is_known(news: News) -> bool:
    return WebhookEvent.objects.filter(object_id=news.object_id, sequence=news.sequence).exists()


def _rendered(news: News, *, event_id: str, position: int) -> str:
    """As Standard Webhooks lays it out: type, timestamp, data; ids and numbers to sort by beside them."""
    document = {
        "id": event_id,
        "object": "event",
        "type": news.type,
        "timestamp": news.occurred_at,
        "merchant": news.merchant_id,
        "position": position,
        "object_id": news.object_id,
        "sequence": news.sequence,
        "data": news.data,
    }
    return json.dumps(document, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))


def open_feed(merchant_id: str) -> WebhookFeed:
    """From now on (within two seconds) the merchant's events are recorded."""
    feed, _created = WebhookFeed.objects.get_or_create(merchant_id=merchant_id)
    if not feed.is_recording:
        WebhookFeed.objects.filter(id=feed.id).update(is_recording=True, recording_since=Now())
        feed.is_recording = True
    transaction.on_commit(_recording.forget)
    return feed


def close_feed(merchant_id: str) -> WebhookFeed | None:
    """Raises :class:`FeedStillNeeded` while an endpoint is enabled. What was recorded stays for its keeping time."""
    with transaction.atomic():
        feed = lock_feed(merchant_id)
        if feed is None:
            return None
        enabled = WebhookEndpoint.objects.filter(merchant_id=merchant_id, status=WebhookEndpoint.Status.ENABLED)
        if enabled.exists():
            raise FeedStillNeeded
        feed.is_recording = False
        feed.save(update_fields=["is_recording"])
        transaction.on_commit(_recording.forget)
    return feed


def feed_of(merchant_id: str) -> WebhookFeed | None:
    return WebhookFeed.objects.filter(merchant_id=merchant_id).first()


def check_position(merchant_id: str, *, after: int) -> None:
    """Refuses a place whose next event is no longer kept: a reader must learn that it missed something."""
    feed = feed_of(merchant_id)
    if feed is not None and after < feed.dropped_until:
        raise FeedPositionExpired(oldest_position=feed.dropped_until + 1)


def get_event(merchant_id: str, event_id: str) -> WebhookEvent:
    event = WebhookEvent.objects.filter(merchant_id=merchant_id, id=event_id).first()
    if event is None:
        raise NotFound
    return event


# The end of the span is chosen under the feed's lock, and only what is whole before it goes: the rest keeps no gap.
_OLD_UNTIL = """
    SELECT coalesce(max(position), 0) FROM (
        SELECT position FROM merchants_webhookevent
        WHERE merchant_id = %(merchant)s AND position > %(dropped)s AND position < coalesce(
            (SELECT min(e.position) FROM merchants_webhookevent e
             WHERE e.merchant_id = %(merchant)s AND e.position > %(dropped)s
               AND (e.created_at >= clock_timestamp() - make_interval(days => %(days)s)
                    OR EXISTS (SELECT 1 FROM merchants_webhookdelivery d
                               WHERE d.event_id = e.id AND d.status = 'pending'))), 9223372036854775807)
        ORDER BY position LIMIT %(limit)s
    ) AS old
"""
_DROP = (
    """
    DELETE FROM merchants_webhookattempt WHERE delivery_id IN (
        SELECT d.id FROM merchants_webhookdelivery d JOIN merchants_webhookevent e ON e.id = d.event_id
        WHERE e.merchant_id = %s AND e.position <= %s)
    """,
    """
    DELETE FROM merchants_webhookdelivery WHERE event_id IN (
        SELECT id FROM merchants_webhookevent WHERE merchant_id = %s AND position <= %s)
    """,
    "DELETE FROM merchants_webhookevent WHERE merchant_id = %s AND position <= %s",
)


def drop_old_events(*, keep_days: int, limit: int = 1000) -> int:
    """Forget what is past its keeping time, at most ``limit`` events of each merchant; how many."""
    dropped = 0
    for merchant_id in WebhookFeed.objects.filter(last_position__gt=0).values_list("merchant_id", flat=True):
        with transaction.atomic():
            feed = lock_feed(merchant_id)
            dropped += _drop(feed, keep_days=keep_days, limit=limit) if feed else 0
    return dropped


def _drop(feed: WebhookFeed, *, keep_days: int, limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _OLD_UNTIL,
            {"merchant": feed.merchant_id, "dropped": feed.dropped_until, "days": keep_days, "limit": limit},
        )
        until = int(cursor.fetchone()[0])
        if until <= feed.dropped_until:
            return 0
        for statement in _DROP:
            cursor.execute(statement, [feed.merchant_id, until])
        count = int(cursor.rowcount)
    feed.dropped_until = until
    feed.save(update_fields=["dropped_until"])
    return count
