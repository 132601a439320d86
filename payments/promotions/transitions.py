"""The states of a promotion, of one use of it, and of a batch of codes being made."""

from paycore.states import StateTable

PROMOTION = StateTable(
    name="promotion",
    initial="draft",
    transitions={
        "draft": ("active", "ended"),
        "active": ("paused", "ended"),
        "paused": ("active", "ended"),
    },
    final=frozenset({"ended"}),
)

REDEMPTION = StateTable(
    name="redemption",
    initial="taken",
    transitions={
        "taken": ("used", "released"),
        "used": ("released",),
        # An order that had ended may be re-opened, and paid: what was promised is used after all.
        "released": ("used",),
    },
    final=frozenset({"used", "released"}),
)

CODE_BATCH = StateTable(
    name="code_batch",
    initial="making",
    transitions={"making": ("done", "stopped")},
    final=frozenset({"done", "stopped"}),
)
