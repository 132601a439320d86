"""The states of a wallet, of money on its way in, and of money on its way out."""

from paycore.states import StateTable

WALLET = StateTable(
    name="wallet",
    initial="active",
    transitions={"active": ("frozen",), "frozen": ("active",)},
    final=frozenset(),
)

TOP_UP = StateTable(
    name="wallet_top_up",
    initial="waiting",
    transitions={"waiting": ("credited",)},
    final=frozenset({"credited"}),
)

WITHDRAWAL = StateTable(
    name="wallet_withdrawal",
    initial="requested",
    transitions={
        "requested": ("half_approved", "approved", "rejected"),
        "half_approved": ("approved", "rejected"),
        "approved": ("sent", "failed"),
        "sent": ("paid", "failed"),
        # A bank may return the money days later.
        "paid": ("failed",),
    },
    final=frozenset({"rejected", "paid", "failed"}),
)
