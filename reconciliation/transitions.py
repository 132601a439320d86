"""The states of a statement, a discrepancy and a proposal (domain.md, "States")."""

from paycore.states import StateTable

STATEMENT = StateTable(
    name="statement",
    initial="expected",
    transitions={
        "expected": ("fetched",),
        "fetched": ("parsed", "failed"),
        # A newer revision may come while the older one is worked on.
        "parsed": ("matched", "failed", "fetched"),
        # The provider corrects its file, or somebody wants it matched again.
        "matched": ("closed", "fetched"),
        "closed": ("fetched",),
        "failed": ("fetched",),
    },
    final=frozenset({"matched", "closed", "failed"}),
)

DISCREPANCY = StateTable(
    name="discrepancy",
    initial="open",
    transitions={"open": ("proposed", "resolved"), "proposed": ("open", "resolved")},
    final=frozenset({"resolved"}),
)

PROPOSAL = StateTable(
    name="proposal",
    initial="waiting",
    transitions={"waiting": ("approved", "rejected", "withdrawn")},
    final=frozenset({"approved", "rejected", "withdrawn"}),
)

BANK_STATEMENT = StateTable(
    name="bank_statement",
    initial="received",
    transitions={"received": ("read", "refused")},
    final=frozenset({"read", "refused"}),
)

BANK_ENTRY = StateTable(
    name="bank_entry",
    initial="received",
    # Open: all or a part of it waits in suspense for more money or for a person.
    transitions={"received": ("open", "done"), "open": ("done",)},
    final=frozenset({"done"}),
)

BANK_DECISION = StateTable(
    name="bank_decision",
    initial="waiting",
    transitions={"waiting": ("approved", "rejected", "withdrawn")},
    final=frozenset({"approved", "rejected", "withdrawn"}),
)

PAYOUT = StateTable(
    name="payout",
    initial="waiting",
    transitions={
        "waiting": ("in_file", "canceled"),
        "in_file": ("waiting", "released"),
        # The bank's line proves it; or brings it back, before or after that.
        "released": ("paid", "returned"),
        "paid": ("returned",),
    },
    final=frozenset({"paid", "returned", "canceled"}),
)

PAYOUT_BATCH = StateTable(
    name="payout_batch",
    initial="prepared",
    transitions={"prepared": ("released", "discarded")},
    final=frozenset({"released", "discarded"}),
)
