"""What can happen to a webhook endpoint, and telling it again what it missed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from merchants.webhooks.bells import WEBHOOKS
from merchants.webhooks.errors import EndpointNotEnabled, TooManyEndpoints, WebhookAddressRefused
from merchants.webhooks.event_types import TEST_EVENT
from merchants.webhooks.feed import News, append, check_position, lock_feed, next_sequence, open_feed
from merchants.webhooks.models import WebhookDeed, WebhookDelivery, WebhookEndpoint, WebhookEvent
from merchants.webhooks.transitions import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from paycore import bell
from paycore.addresses import NotPublic, check_public_url
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.identifiers import new_id
from paycore.signing import new_secret

MAX_ENDPOINTS = 16
MAX_REPLAYED = 1000
Kind, Status = WebhookDeed.Kind, WebhookEndpoint.Status


@dataclass(frozen=True, slots=True)
class EndpointDraft:
    """``event_types`` empty: everything."""

    url: str
    description: str = ""
    event_types: tuple[str, ...] = ()


def check_address(url: str) -> None:
    """What can be refused before the first delivery; each delivery looks again, at the addresses of that moment."""
    try:
        if settings.PAYCORE_WEBHOOKS_ALLOW_PRIVATE:
            _check_loosely(url)
        else:
            check_public_url(url)
    except NotPublic as error:
        raise WebhookAddressRefused(str(error)) from error


def _check_loosely(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii():
        raise NotPublic(_("The address cannot be read."))


def create_endpoint(*, merchant_id: str, draft: EndpointDraft, actor: str) -> WebhookEndpoint:
    """Enabled at once, with a fresh secret; the feed begins to record. Raises :class:`WebhookAddressRefused`,
    :class:`TooManyEndpoints`."""
    check_address(draft.url)
    with transaction.atomic():
        open_feed(merchant_id)
        lock_feed(merchant_id)
        if endpoints_of(merchant_id).count() >= MAX_ENDPOINTS:
            raise TooManyEndpoints(limit=MAX_ENDPOINTS)
        endpoint = WebhookEndpoint.objects.create(
            merchant_id=merchant_id,
            url=draft.url,
            description=draft.description,
            event_types=sorted(set(draft.event_types)),
            secret=new_secret(),
            created_by=actor,
        )
        note_deed(endpoint, Kind.CREATED, actor=actor, detail=_host(draft.url))
    return endpoint


def change_endpoint(*, merchant_id: str, endpoint_id: str, draft: EndpointDraft, actor: str) -> WebhookEndpoint:
    """Also for deliveries that wait: they go to the new address."""
    check_address(draft.url)
    with transaction.atomic():
        endpoint = _lock(merchant_id, endpoint_id)
        endpoint.url, endpoint.description = draft.url, draft.description
        endpoint.event_types = sorted(set(draft.event_types))
        endpoint.hold_until, endpoint.silences = None, 0
        endpoint.save(update_fields=["url", "description", "event_types", "hold_until", "silences"])
        note_deed(endpoint, Kind.CHANGED, actor=actor, detail=_host(draft.url))
    return endpoint


def enable_endpoint(*, merchant_id: str, endpoint_id: str, actor: str) -> WebhookEndpoint:
    """What happened meanwhile is not sent by itself: see :func:`replay`."""
    with transaction.atomic():
        open_feed(merchant_id)
        lock_feed(merchant_id)
        endpoint = _lock(merchant_id, endpoint_id)
        WEBHOOK_ENDPOINT.require(endpoint.status, Status.ENABLED)
        endpoint.status, endpoint.disabled_reason = Status.ENABLED, ""
        endpoint.failing_since, endpoint.hold_until, endpoint.silences = None, None, 0
        endpoint.save(update_fields=["status", "disabled_reason", "failing_since", "hold_until", "silences"])
        note_deed(endpoint, Kind.ENABLED, actor=actor)
    return endpoint


def disable_endpoint(*, merchant_id: str, endpoint_id: str, actor: str) -> WebhookEndpoint:
    """Nothing more is sent to it; what waited counts as failed and can be sent again later."""
    with transaction.atomic():
        lock_feed(merchant_id)
        endpoint = _lock(merchant_id, endpoint_id)
        end_endpoint(endpoint, status=Status.DISABLED, reason="", actor=actor)
    return endpoint


def delete_endpoint(*, merchant_id: str, endpoint_id: str, actor: str) -> None:
    """Its secrets are forgotten; its history stays for the keeping time."""
    with transaction.atomic():
        lock_feed(merchant_id)
        endpoint = _lock(merchant_id, endpoint_id)
        end_endpoint(endpoint, status=Status.DELETED, reason="", actor=actor)


def end_endpoint(endpoint: WebhookEndpoint, *, status: str, reason: str, actor: str) -> None:
    """The caller holds the locks of the feed, so that no delivery is written meanwhile, and of the endpoint."""
    WEBHOOK_ENDPOINT.require(endpoint.status, status)
    endpoint.status, endpoint.disabled_reason = status, reason
    endpoint.failing_since, endpoint.hold_until, endpoint.silences = None, None, 0
    if status == Status.DELETED:
        endpoint.secret = endpoint.previous_secret = endpoint.previous_secret_until = None
    endpoint.save()
    endpoint.deliveries.filter(status=WebhookDelivery.Status.PENDING).update(
        status=WebhookDelivery.Status.FAILED,
        next_attempt_at=None,
        lease_token=None,
        lease_until=None,
        last_error="endpoint_not_enabled",
    )
    kind = Kind.DELETED if status == Status.DELETED else Kind.DISABLED
    note_deed(endpoint, kind, actor=actor, detail=reason)


def rotate_secret(*, merchant_id: str, endpoint_id: str, overlap: timedelta, actor: str) -> WebhookEndpoint:
    """A fresh secret; for ``overlap`` the one before signs as well, so that a receiver can change without a loss."""
    with transaction.atomic():
        endpoint = _lock(merchant_id, endpoint_id)
        endpoint.previous_secret = endpoint.secret if overlap else None
        endpoint.previous_secret_until = database_now() + overlap if overlap else None
        endpoint.secret = new_secret()
        endpoint.secret_version += 1
        endpoint.save(update_fields=["secret", "secret_version", "previous_secret", "previous_secret_until"])
        note_deed(endpoint, Kind.SECRET_ROTATED, actor=actor, detail=f"version {endpoint.secret_version}")
    return endpoint


def show_secret(*, merchant_id: str, endpoint_id: str, actor: str) -> str:
    """The signing secret, for a person who has just proved who they are; the journal keeps who looked."""
    with transaction.atomic():
        endpoint = _lock(merchant_id, endpoint_id)
        note_deed(endpoint, Kind.SECRET_SHOWN, actor=actor)
    return str(endpoint.secret)


def send_test(*, merchant_id: str, endpoint_id: str, actor: str) -> WebhookDelivery:
    """One event of the type ``webhook_endpoint.test``, to this endpoint alone, whatever it subscribed to."""
    with transaction.atomic():
        feed = lock_feed(merchant_id)
        endpoint = _lock(merchant_id, endpoint_id)
        if feed is None or not endpoint.is_enabled:
            raise EndpointNotEnabled
        news = News(
            merchant_id=merchant_id,
            type=TEST_EVENT,
            object_id=endpoint.id,
            sequence=next_sequence(endpoint.id),
            occurred_at=database_now(),
            data={"id": endpoint.id, "object": "webhook_endpoint", "description": endpoint.description},
        )
        event = append(feed, news, endpoints=[endpoint])
        note_deed(endpoint, Kind.TESTED, actor=actor, detail=event.id)
        return WebhookDelivery.objects.get(event=event, endpoint=endpoint)


def resend(*, merchant_id: str, delivery_id: str) -> WebhookDelivery:
    """Send again, now, from the first attempt. One that waits is brought forward. Raises
    :class:`EndpointNotEnabled`."""
    with transaction.atomic():
        delivery = deliveries_of(merchant_id).select_for_update(no_key=True, of=("self",)).filter(id=delivery_id)
        found: WebhookDelivery | None = delivery.select_related("endpoint", "event").first()
        if found is None:
            raise NotFound
        if not found.endpoint.is_enabled:
            raise EndpointNotEnabled
        if found.status != WebhookDelivery.Status.PENDING:
            WEBHOOK_DELIVERY.require(found.status, WebhookDelivery.Status.PENDING)
            found.status, found.attempts = WebhookDelivery.Status.PENDING, 0
        now = database_now()
        if found.lease_until is None or found.lease_until <= now:
            found.next_attempt_at = now
        found.save(update_fields=["status", "attempts", "next_attempt_at"])
        bell.ring_on_commit(WEBHOOKS)
    return found


_MISSED = """
    SELECT e.id, e.type FROM merchants_webhookevent e
    LEFT JOIN merchants_webhookdelivery d ON d.event_id = e.id AND d.endpoint_id = %(endpoint)s
    WHERE e.merchant_id = %(merchant)s AND e.position > %(after)s AND (d.id IS NULL OR d.status = 'failed')
      AND (cardinality(%(types)s::text[]) = 0 OR e.type = ANY (%(types)s::text[])) AND e.type <> %(test)s
    ORDER BY e.position LIMIT %(limit)s
"""


def replay(*, merchant_id: str, endpoint_id: str, after: int, actor: str) -> int:
    """Send what this endpoint missed after a position of the feed: failed deliveries and events that it was never
    told of, of the types it subscribed to, the oldest first, at most 1,000; how many. What was delivered is not
    repeated, so calling again goes on. Raises :class:`EndpointNotEnabled`, ``FeedPositionExpired``."""
    check_position(merchant_id, after=after)
    with transaction.atomic():
        lock_feed(merchant_id)
        endpoint = _lock(merchant_id, endpoint_id)
        if not endpoint.is_enabled:
            raise EndpointNotEnabled
        missed = _missed(endpoint, after=after)
        WebhookDelivery.objects.filter(endpoint=endpoint, event_id__in=missed, status="failed").update(
            status=WebhookDelivery.Status.PENDING, attempts=0, next_attempt_at=database_now()
        )
        WebhookDelivery.objects.bulk_create(
            (
                WebhookDelivery(
                    id=new_id("whd"), merchant_id=merchant_id, endpoint=endpoint, event_id=event_id, event_type=type_
                )
                for event_id, type_ in missed.items()
            ),
            ignore_conflicts=True,
        )
        note_deed(endpoint, Kind.REPLAYED, actor=actor, detail=f"{len(missed)} after {after}")
        bell.ring_on_commit(WEBHOOKS)
    return len(missed)


def _missed(endpoint: WebhookEndpoint, *, after: int) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            _MISSED,
            {
                "endpoint": endpoint.id,
                "merchant": endpoint.merchant_id,
                "after": after,
                "types": list(endpoint.event_types),
                "test": TEST_EVENT,
                "limit": MAX_REPLAYED,
            },
        )
        return dict(cursor.fetchall())


def endpoints_of(merchant_id: str) -> Any:
    """A merchant's endpoints that were not deleted, without their secrets."""
    rows = WebhookEndpoint.objects.filter(merchant_id=merchant_id).exclude(status=Status.DELETED)
    return rows.defer("secret", "previous_secret")


def deliveries_of(merchant_id: str) -> Any:
    return WebhookDelivery.objects.filter(merchant_id=merchant_id).defer(
        "endpoint__secret", "endpoint__previous_secret", "event__body"
    )


def events_of(merchant_id: str) -> Any:
    return WebhookEvent.objects.filter(merchant_id=merchant_id)


def get_endpoint(merchant_id: str, endpoint_id: str) -> WebhookEndpoint:
    endpoint: WebhookEndpoint | None = endpoints_of(merchant_id).filter(id=endpoint_id).first()
    if endpoint is None:
        raise NotFound
    return endpoint


def get_delivery(merchant_id: str, delivery_id: str) -> WebhookDelivery:
    delivery: WebhookDelivery | None = deliveries_of(merchant_id).filter(id=delivery_id).first()
    if delivery is None:
        raise NotFound
    return delivery


def note_deed(endpoint: WebhookEndpoint, kind: str, *, actor: str, detail: str = "") -> None:
    WebhookDeed.objects.create(endpoint=endpoint, kind=kind, actor=actor, detail=detail[:200])


def _lock(merchant_id: str, endpoint_id: str) -> WebhookEndpoint:
    endpoint = (
        WebhookEndpoint.objects.select_for_update(no_key=True)
        .filter(merchant_id=merchant_id, id=endpoint_id)
        .exclude(status=Status.DELETED)
        .first()
    )
    if endpoint is None:
        raise NotFound
    return endpoint


def _host(url: str) -> str:
    """Of an address that was checked; its path may carry a secret of the receiver's."""
    return urlsplit(url).hostname or ""
