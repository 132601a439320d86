"""Endpoints, events and deliveries as the API shows them. A signing secret is never among it."""

import json
from typing import Any

from merchants.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookFeed


def present_endpoint(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "status": str(endpoint.status),
        "disabled_reason": endpoint.disabled_reason or None,
        "failing_since": endpoint.failing_since,
        "secret_version": endpoint.secret_version,
        "previous_secret_until": endpoint.previous_secret_until,
        "created_at": endpoint.created_at,
    }


def present_event(event: WebhookEvent) -> dict[str, Any]:
    """What was sent to endpoints, as it was sent."""
    document: dict[str, Any] = json.loads(event.body)
    return document


def present_delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "object": "webhook_delivery",
        "endpoint": delivery.endpoint_id,
        "event": delivery.event_id,
        "event_type": delivery.event_type,
        "status": str(delivery.status),
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "last_status_code": delivery.last_status_code,
        "last_error": delivery.last_error or None,
        "delivered_at": delivery.delivered_at,
        "created_at": delivery.created_at,
    }


def present_delivery_with_log(delivery: WebhookDelivery) -> dict[str, Any]:
    attempts = delivery.log.order_by("-id")[:50]
    return {**present_delivery(delivery), "log": [_present_attempt(attempt) for attempt in attempts]}


def _present_attempt(attempt: WebhookAttempt) -> dict[str, Any]:
    return {
        "started_at": attempt.started_at,
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status_code,
        "error": attempt.error_code or None,
        "response_excerpt": attempt.response_excerpt,
    }


def present_feed(feed: WebhookFeed | None) -> dict[str, Any]:
    return {
        "object": "event_feed",
        "is_recording": feed is not None and feed.is_recording,
        "oldest_position": feed.dropped_until + 1 if feed else 1,
        "last_position": feed.last_position if feed else 0,
    }
