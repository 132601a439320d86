"""The life of a data export as a table."""

from paycore.states import StateTable

DATA_EXPORT_STATES = StateTable(
    name="data_export",
    initial="waiting",
    transitions={
        "waiting": ("running", "failed"),
        "running": ("ready", "failed"),
        "ready": ("expired",),
    },
    final=frozenset({"ready", "failed", "expired"}),
)
