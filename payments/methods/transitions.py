"""The states of a saved payment method and of a mandate."""

from paycore.states import StateTable

PAYMENT_METHOD = StateTable(
    name="payment_method",
    initial="pending",
    transitions={
        "pending": ("active", "failed", "removed"),
        # The payer may have agreed after we stopped waiting: what the provider says counts.
        "failed": ("active", "removed"),
        "active": ("removed",),
    },
    final=frozenset({"failed", "removed"}),
)

MANDATE = StateTable(
    name="mandate",
    initial="pending",
    transitions={"pending": ("active", "ended"), "active": ("ended",)},
    final=frozenset({"ended"}),
)
