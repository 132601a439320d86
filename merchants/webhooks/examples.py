"""Examples and query parameters for the API's description."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

_ENDPOINT_ID = "whe_01kaf5q8xw4q2m7r9t3v6y8z0b"
_EVENT_ID = "evt_01kaf5nb3e8c5d2f7h9j1k4m6n"
_ORDER_ID = "ord_01kaf5n8xw4q2m7r9t3v6y8z0b"
_ENDPOINT = {
    "id": _ENDPOINT_ID,
    "object": "webhook_endpoint",
    "url": "https://shop.example/hooks/paycore",
    "description": "Fulfilment",
    "event_types": ["order.paid", "refund.succeeded"],
    "status": "enabled",
    "disabled_reason": None,
    "failing_since": None,
    "secret_version": 1,
    "previous_secret_until": None,
    "created_at": "2026-11-21T10:00:00Z",
}
ENDPOINT_REQUEST = OpenApiExample(
    "Two kinds of news",
    request_only=True,
    value={
        "url": "https://shop.example/hooks/paycore",
        "description": "Fulfilment",
        "event_types": ["order.paid", "refund.succeeded"],
    },
)
ENDPOINT = OpenApiExample("An endpoint", response_only=True, value=_ENDPOINT)
NEW_ENDPOINT = OpenApiExample("A new endpoint", response_only=True, value={**_ENDPOINT, "secret": "whsec_…"})
EVENT = OpenApiExample(
    "An order was paid",
    response_only=True,
    value={
        "id": _EVENT_ID,
        "object": "event",
        "type": "order.paid",
        "timestamp": "2026-11-21T10:00:01Z",
        "merchant": "mer_01kaf5n1aa0b1c2d3e4f5g6h7j",
        "position": 4711,
        "object_id": _ORDER_ID,
        "sequence": 2,
        "data": {"id": _ORDER_ID, "object": "order", "status": "paid"},
    },
)
_DELIVERY = {
    "id": "whd_01kaf5p2x7y8z9a0b1c2d3e4f5",
    "object": "webhook_delivery",
    "endpoint": _ENDPOINT_ID,
    "event": _EVENT_ID,
    "event_type": "order.paid",
    "status": "delivered",
    "attempts": 1,
    "next_attempt_at": None,
    "last_status_code": 204,
    "last_error": None,
    "delivered_at": "2026-11-21T10:00:02Z",
    "created_at": "2026-11-21T10:00:01Z",
}
DELIVERY = OpenApiExample("A delivery", response_only=True, value=_DELIVERY)
DELIVERY_LOG = OpenApiExample(
    "A delivery with its attempts",
    response_only=True,
    value={
        **_DELIVERY,
        "log": [
            {
                "started_at": "2026-11-21T10:00:01Z",
                "duration_ms": 82,
                "status_code": 204,
                "error": None,
                "response_excerpt": "",
            }
        ],
    },
)
PAGE = [
    OpenApiParameter("limit", int, description="Rows a page, 1 to 100; 25 when not given."),
    OpenApiParameter("cursor", str, description="`next_cursor` or `previous_cursor` of an earlier answer."),
]
AFTER = OpenApiParameter("after", int, description="Only events after this position; 0 is the beginning.")
TYPE_FILTER = OpenApiParameter("type", str, description="Only events of this type.")
OBJECT_FILTER = OpenApiParameter("object_id", str, description="Only events about this order, payment or refund.")
ENDPOINT_FILTER = OpenApiParameter("endpoint", str, description="Only deliveries to this endpoint.")
STATUS_FILTER = OpenApiParameter("status", str, description="Only deliveries in this state.")
EVENT_FILTER = OpenApiParameter("event", str, description="Only deliveries of this event.")
