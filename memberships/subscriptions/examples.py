"""Examples for the API's description."""

from drf_spectacular.utils import OpenApiExample

_PRICE = "pri_01kaf5m7z8x9c0v1b2n3m4a5s6"

SUBSCRIBE = [
    OpenApiExample(
        "Premium by the month", request_only=True,
        value={"price": _PRICE, "country": "DE", "time_zone": "Europe/Berlin"},
    ),
    OpenApiExample(
        "By plan, from next month, with a code",
        request_only=True,
        value={
            "plan": "premium", "currency": "EUR", "interval": "year", "country": "DE", "time_zone": "Europe/Berlin",
            "starts_at": "2026-12-01T00:00:00+01:00", "promotion_code": "WELCOME",
        },
    ),
]  # fmt: skip
CHANGE = [
    OpenApiExample("Another plan now", request_only=True, value={"price": _PRICE}),
    OpenApiExample("Two seats more", request_only=True, value={"quantity": 7}),
    OpenApiExample("With the next period", request_only=True, value={"price": _PRICE, "when": "period_end"}),
]
CANCEL = [
    OpenApiExample("With the period", request_only=True, value={"when": "period_end", "reason": "Too dear"}),
    OpenApiExample("At once", request_only=True, value={"when": "now"}),
]
PAUSE = [OpenApiExample("Over the summer", request_only=True, value={"until": "2027-08-31T08:00:00Z"})]
COLLECTION = [
    OpenApiExample(
        "A saved card", request_only=True,
        value={"collected_by": "method", "payment_method": "pm_01kaf5m7z8x9c0v1b2n3m4a5s6"},
    ),
    OpenApiExample("A link every time", request_only=True, value={"collected_by": "link"}),
]  # fmt: skip
