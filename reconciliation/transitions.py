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
