"""Lives of purchases as the stores tell them, and what is left of them in our tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model

from memberships.models import Grant, Period, StoreAccount, StorePurchase, StoreTransaction, Subscription
from memberships.stores.apple.receiving import _facts
from memberships.stores.apple.translating import state_of
from memberships.stores.apple.verifying import verify_notification
from memberships.stores.door import record_store_state
from memberships.stores.facts import StoreState
from memberships.stores.google.simulator import SimulatedPurchase
from memberships.stores.google.translating import read_answer
from paycore.clock import database_now
from riskcontrol.models import Case
from tests.memberships.stores.apple import AppStore, milliseconds


def days(number: float) -> timedelta:
    return timedelta(days=number)


def apple_state(store: AppStore, account: StoreAccount, notice: dict[str, Any]) -> StoreState:
    """What our own reading makes of a signed notice."""
    decoded = verify_notification(account, store.chain.sign(notice), now=database_now())
    state = state_of(_facts(account, decoded, now=database_now()))
    assert state is not None
    return state


def apple_notice(
    store: AppStore,
    kind: str,
    day: float,
    *,
    born_at: datetime,
    span: int,
    status: int,
    account_token: str | None,
    renews: bool = True,
    reason: str = "RENEWAL",
    revoked_on: float | None = None,
    grace_until: float | None = None,
    starts_on: float | None = None,
    subtype: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """``span`` counts months of thirty days from 0; days are counted from ``born_at``."""
    at = born_at + days(day)
    starts_at = born_at + days(span * 30 if starts_on is None else starts_on)
    extra: dict[str, Any] = {} if revoked_on is None else {"revocationDate": milliseconds(born_at + days(revoked_on))}
    transaction_said = store.transaction(
        at=at,
        starts_at=starts_at,
        ends_at=starts_at + days(30),
        transaction=f"20000000000000{span:02}",
        original="2000000000000000",
        account_token=account_token,
        reason="PURCHASE" if span == 0 else reason,
        **extra,
        **more,
    )
    grace = {} if grace_until is None else {"gracePeriodExpiresDate": milliseconds(born_at + days(grace_until))}
    renewal = store.renewal(at=at, original="2000000000000000", renews=renews, **grace)
    return store.notice(kind, at=at, transaction=transaction_said, renewal=renewal, status=status, subtype=subtype)


def apple_life(store: AppStore, *, born_at: datetime, account_token: str | None) -> list[dict[str, Any]]:
    """Subscribe, renew, grace, recover, refund, expire."""

    def say(kind: str, day: float, **more: Any) -> dict[str, Any]:
        return apple_notice(store, kind, day, born_at=born_at, account_token=account_token, **more)

    return [
        say("SUBSCRIBED", 0, span=0, status=1),
        say("DID_RENEW", 30, span=1, status=1),
        say("DID_FAIL_TO_RENEW", 60, span=1, status=4, grace_until=76),
        say("DID_RENEW", 65, span=2, status=1),
        say("REFUND", 70, span=2, status=5, revoked_on=70, renews=False),
        say("EXPIRED", 90, span=2, status=2, revoked_on=70, renews=False),
    ]


def play_states(sold: list[tuple[SimulatedPurchase, datetime, dict[str, str]]], *, token: str) -> list[StoreState]:
    """What our own reading makes of Google's answers, each asked at its moment."""
    states = []
    for purchase, asked_at, voided in sold:
        told = read_answer(purchase.as_answer(), asked_at=asked_at, voided=voided)
        states.append(
            StoreState(
                reference=token,
                signed_at=asked_at,
                span=told.span,
                standing=told.standing,
                grace_until=told.grace_until,
                auto_renews=told.auto_renews,
                user_id=told.user_id,
            )
        )
    return states


def left_behind(account: StoreAccount) -> dict[str, Any]:
    """Everything that must not depend on the order of the news."""
    purchases = [
        (row.state, row.standing, row.auto_renews, row.product_id, row.user_id, row.grace_until)
        for row in StorePurchase.objects.filter(account=account).order_by("reference")
    ]
    memberships = sorted(map(_membership, Subscription.objects.all()), key=lambda one: str(one["period_started_at"]))
    grants = list(Grant.objects.order_by("starts_at").values_list("starts_at", "ends_at", "plan__code"))
    cases = sorted(Case.objects.values_list("kind", "status"))
    return {"purchases": purchases, "memberships": memberships, "grants": grants, "cases": cases}


def _membership(row: Subscription) -> dict[str, Any]:
    periods = row.periods.order_by("starts_at").values_list(
        "number", "kind", "status", "starts_at", "ends_at", "plan_version__plan__code"
    )
    names = (
        "user_id",
        "rail",
        "status",
        "period_number",
        "period_started_at",
        "period_ends_at",
        "anchor_at",
        "trial_ends_at",
        "grace_until",
        "past_due_since",
        "ended_at",
        "end_reason",
    )
    told = {name: getattr(row, name) for name in names}
    flag = row.cancel_at_period_end if row.is_live else None  # of an ended one it depends on who was faster
    return told | {"plan": row.plan.code, "cancels": flag, "periods": list(periods)}


@dataclass(frozen=True)
class End:
    """Something that orders of the news leave behind: how many do, and one of them."""

    left: dict[str, Any]
    orders: int
    example: tuple[int, ...] = ()


def ends_of_every_order(account: StoreAccount, states: Sequence[StoreState]) -> list[End]:
    """Everything that the orders of ``states`` leave behind, in the database, and all of it undone again.

    Where two orders of the same news left the very same rows, what follows is the same, and is walked once.
    """
    return _walk(account, states, frozenset(range(len(states))), {})


def _walk(
    account: StoreAccount,
    states: Sequence[StoreState],
    to_come: frozenset[int],
    walked: dict[tuple[frozenset[int], str], list[End]],
) -> list[End]:
    if not to_come:
        return [End(left_behind(account), orders=1)]
    here = (to_come, repr(_every_row(account)))
    if here not in walked:
        ends: list[End] = []
        for position in sorted(to_come):
            mark = transaction.savepoint()
            record_store_state(account, states[position])
            for end in _walk(account, states, to_come - {position}, walked):
                _count(ends, replace(end, example=(position, *end.example)))
            transaction.savepoint_rollback(mark)
        walked[here] = ends
    return walked[here]


def _count(ends: list[End], end: End) -> None:
    for position, known in enumerate(ends):
        if known.left == end.left:
            ends[position] = replace(known, orders=known.orders + end.orders)
            return
    ends.append(end)


_OF_A_WALK = {"id", "version", "created_at", "updated_at", "next_attempt_at", "store_reference", "purchase_id"}
"""Differs from walk to walk and decides nothing."""


def _every_row(account: StoreAccount) -> list[Any]:
    """All that the next news could find, with ordinals for names made by chance."""
    purchases = StorePurchase.objects.filter(account=account)
    transactions = StoreTransaction.objects.filter(purchase__account=account)
    memberships = list(Subscription.objects.order_by("store_reference"))
    ordinal = {one.id: position for position, one in enumerate(memberships)}
    rows: list[Any] = [
        purchases.order_by("reference"),
        transactions.order_by("transaction"),
        memberships,
        Period.objects.order_by("starts_at", "ends_at", "status"),
        Grant.objects.order_by("starts_at"),
        Case.objects.order_by("kind", "id"),
    ]
    return [[_told(row, ordinal) for row in some] for some in rows]


def _told(row: Model, ordinal: dict[str, int]) -> list[Any]:
    names = [field.attname for field in row._meta.concrete_fields if field.attname not in _OF_A_WALK]
    return [(name, ordinal.get(getattr(row, name), getattr(row, name))) for name in names]
