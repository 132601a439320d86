"""The life of an erasure as a table."""

from paycore.states import StateTable

ERASURE_STATES = StateTable(
    name="erasure",
    initial="scheduled",
    transitions={
        "scheduled": ("canceled", "telling"),
        "telling": ("done",),
    },
    final=frozenset({"canceled", "done"}),
)
