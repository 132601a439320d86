"""The states of an order, a payment, a capture, a refund and a dispute (domain.md, "States")."""

from paycore.states import StateTable

ORDER = StateTable(
    name="order",
    initial="open",
    transitions={
        "open": ("paid", "canceled", "expired"),
        "paid": ("closed",),
        # Money that arrived for an order that had ended may re-open it, by a person's decision.
        "canceled": ("open",),
        "expired": ("open",),
    },
    final=frozenset({"paid", "closed", "canceled", "expired"}),
)

_ENDINGS = ("authorized", "succeeded", "failed", "canceled", "expired")
PAYMENT = StateTable(
    name="payment",
    initial="created",
    transitions={
        "created": ("submitting", "failed", "canceled", "expired"),
        "submitting": ("requires_action", "processing", *_ENDINGS),
        "requires_action": ("processing", *_ENDINGS),
        "processing": ("requires_action", *_ENDINGS),
        "authorized": ("succeeded", "failed", "canceled", "expired"),
        # Late success is real money.
        "failed": ("succeeded",),
        "canceled": ("succeeded",),
        "expired": ("succeeded",),
    },
    final=frozenset({"succeeded", "failed", "canceled", "expired"}),
)

CAPTURE = StateTable(
    name="capture",
    initial="submitting",
    transitions={"submitting": ("succeeded", "failed")},
    final=frozenset({"succeeded", "failed"}),
)

REFUND = StateTable(
    name="refund",
    initial="requested",
    transitions={
        "requested": ("approved", "rejected"),
        "approved": ("submitting",),
        "submitting": ("succeeded", "failed"),
    },
    final=frozenset({"rejected", "succeeded", "failed"}),
)

DISPUTE = StateTable(
    name="dispute",
    initial="warning",
    transitions={
        "warning": ("needs_response", "under_review", "won", "lost"),
        "needs_response": ("under_review", "won", "lost"),
        "under_review": ("needs_response", "won", "lost"),
        # A bank may open a decided dispute once more (pre-arbitration), and the last word counts.
        "won": ("needs_response", "under_review", "lost"),
        "lost": ("won",),
    },
    final=frozenset({"won", "lost"}),
)
LIVE_PAYMENT = ("created", "submitting", "requires_action", "processing", "authorized")
"""An attempt that may still take money without anybody's further decision."""
