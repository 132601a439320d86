"""The lives of a webhook endpoint and of one delivery to it, as tables."""

from paycore.states import StateTable

WEBHOOK_ENDPOINT = StateTable(
    name="webhook_endpoint",
    initial="enabled",
    transitions={
        "enabled": ("disabled", "disabled_by_failures", "deleted"),
        "disabled": ("enabled", "deleted"),
        "disabled_by_failures": ("enabled", "deleted"),
    },
    final=frozenset({"deleted"}),
)
# What was delivered, or given up, may be sent again when a person or a replay asks for it.
WEBHOOK_DELIVERY = StateTable(
    name="webhook_delivery",
    initial="pending",
    transitions={"pending": ("delivered", "failed"), "delivered": ("pending",), "failed": ("pending",)},
    final=frozenset({"delivered", "failed"}),
)
