"""The states of memberships."""

from paycore.states import StateTable

SUBSCRIPTION = StateTable(
    name="subscription",
    initial="incomplete",
    transitions={
        # Waits for its first payment and gives nothing yet.
        "incomplete": ("scheduled", "trialing", "active", "ended"),
        "scheduled": ("trialing", "active", "past_due", "ended"),
        "trialing": ("active", "past_due", "paused", "ended"),
        "active": ("past_due", "suspended", "paused", "ended"),
        # Grace: what was paid for is over, access goes on.
        "past_due": ("active", "suspended", "ended"),
        # A store may say so at once; at home, grace is over.
        "suspended": ("active", "past_due", "ended"),
        "paused": ("active", "trialing", "past_due", "ended"),
    },
    final=frozenset({"ended"}),
)
LIVE = ("scheduled", "trialing", "active", "past_due", "suspended", "paused")
"""A user has at most one of these."""
WITH_ACCESS = ("trialing", "active", "past_due")

PERIOD = StateTable(
    name="period",
    initial="open",
    transitions={"open": ("paid", "void"), "paid": ("revoked",)},
    final=frozenset({"void", "revoked"}),
)

INVOICE = StateTable(
    name="invoice",
    initial="open",
    transitions={"open": ("paid", "void", "uncollectible"), "uncollectible": ("paid", "void")},
    final=frozenset({"paid", "void"}),
)

SEAT = StateTable(
    name="seat",
    initial="invited",
    transitions={
        "invited": ("claimed", "active", "removed"),
        "claimed": ("active", "removed"),
        "active": ("removed",),
    },
    final=frozenset({"removed"}),
)

GIFT = StateTable(
    name="gift",
    initial="open",
    transitions={
        # A gift whose order was given up is paid after all: late success is real money.
        "open": ("ready", "void"),
        "void": ("ready",),
        "ready": ("redeemed", "void"),
        "redeemed": ("revoked",),
    },
    final=frozenset({"void", "revoked"}),
)

CODE_BATCH = StateTable(
    name="redeem_code_batch",
    initial="waiting",
    transitions={"waiting": ("making", "void"), "making": ("ready", "void"), "ready": ("void",)},
    final=frozenset({"void"}),
)

MEMBER_ACTION = StateTable(
    name="member_action",
    initial="waiting",
    transitions={"waiting": ("running", "rejected", "withdrawn"), "running": ("done",)},
    final=frozenset({"done", "rejected", "withdrawn"}),
)

MEMBER_ACTION_ITEM = StateTable(
    name="member_action_item",
    initial="pending",
    transitions={"pending": ("done", "refused")},
    final=frozenset({"done", "refused"}),
)

PRICE_CHANGE = StateTable(
    name="price_change",
    initial="draft",
    transitions={"draft": ("announced", "withdrawn"), "announced": ("done", "withdrawn")},
    final=frozenset({"done", "withdrawn"}),
)

PRICE_MOVE = StateTable(
    name="price_move",
    initial="waiting",
    transitions={
        "waiting": ("agreed", "refused", "applied", "void"),
        "agreed": ("refused", "applied", "void"),
        # Who said no may still say yes, and who stays although they said no pays what everybody pays.
        "refused": ("agreed", "applied", "void"),
    },
    final=frozenset({"applied", "void"}),
)

DUNNING = StateTable(
    name="dunning",
    initial="open",
    transitions={"open": ("recovered", "lost")},
    final=frozenset({"recovered", "lost"}),
)

CHARGE_NOTICE = StateTable(
    name="charge_notice",
    initial="due",
    transitions={"due": ("accepted", "refused")},
    final=frozenset({"accepted", "refused"}),
)

CLOCK_ADVANCE = StateTable(
    name="clock_advance",
    initial="running",
    transitions={"running": ("done", "failed")},
    final=frozenset({"done", "failed"}),
)

INVOICE_VOIDING = StateTable(
    name="invoice_voiding",
    initial="waiting",
    transitions={"waiting": ("done", "rejected")},
    final=frozenset({"done", "rejected"}),
)

PROMISED_REFUND = StateTable(
    name="promised_refund",
    initial="sent",
    transitions={"sent": ("done", "owed"), "owed": ("sent_again", "credited", "dropped")},
    final=frozenset({"done", "sent_again", "credited", "dropped"}),
)
