"""A merchant who listens, and news for it, as the tests of webhooks need them."""

import itertools
from typing import Any

from merchants.models import Merchant
from merchants.webhooks.feed import News, open_feed, record_event
from merchants.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from merchants.webhooks.services import EndpointDraft, create_endpoint
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.identifiers import new_id

_numbers = itertools.count(1)


def listen(merchant: Merchant, url: str = "https://shop.example/hooks", *types: str) -> WebhookEndpoint:
    """An enabled endpoint; what this process remembers of who listens is forgotten, as after two seconds."""
    endpoint = create_endpoint(
        merchant_id=merchant.id, draft=EndpointDraft(url=url, event_types=types), actor="usr_test"
    )
    forget_everything()
    return endpoint


def news(merchant: Merchant, *, type: str = "order.paid", object_id: str = "", sequence: int = 1) -> News:
    return News(
        merchant_id=merchant.id,
        type=type,
        object_id=object_id or new_id("ord"),
        sequence=sequence,
        occurred_at=database_now(),
        data={"number": next(_numbers)},
    )


def happen(merchant: Merchant, **facts: Any) -> WebhookEvent:
    """One event, recorded."""
    open_feed(merchant.id)
    event = record_event(news(merchant, **facts))
    assert event is not None
    return event


def due_again(delivery: WebhookDelivery | None = None) -> None:
    """As if the wait, and the endpoint's rest, were over."""
    rows = WebhookDelivery.objects.filter(status="pending")
    rows = rows.filter(id=delivery.id) if delivery else rows
    rows.update(next_attempt_at=database_now(), lease_until=None)
    WebhookEndpoint.objects.update(hold_until=None)
