"""The life of a merchant as a table."""

from paycore.states import StateTable

MERCHANT_STATES = StateTable(
    name="merchant",
    initial="draft",
    transitions={
        "draft": ("submitted", "closed"),
        "submitted": ("approved", "returned"),
        "returned": ("submitted", "closed"),
        "approved": ("suspended", "closed"),
        "suspended": ("approved", "closed"),
    },
    final=frozenset({"closed"}),
)
