"""A purchase beside another live membership: the store took the money, so what it paid for is given as a grant until
the span ends, and a person is asked to look. The cases about store purchases."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from memberships.entitlements.freshness import touch
from memberships.events import MembershipChanged
from memberships.models import Grant, Plan, StorePurchase, StoreTransaction, Subscription
from memberships.stores.facts import Span
from memberships.transitions import LIVE
from paycore.events import publish
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

CONFLICT, UNMAPPED = Case.Kind.STORE_CONFLICT, Case.Kind.STORE_PRODUCT


def give_beside(
    purchase: StorePurchase, rows: Sequence[StoreTransaction], spans: Sequence[Span], *, plan: Plan, now: datetime
) -> None:
    """A grant for every span that still runs; one user has one plan once at a time, so it may begin later."""
    for row, span in zip(rows, spans, strict=True):
        if row.grant_id is None and span.revoked_at is None and span.ends_at > now:
            _grant(purchase, row, span, plan=plan, now=now)


def _grant(purchase: StorePurchase, row: StoreTransaction, span: Span, *, plan: Plan, now: datetime) -> None:
    had = Grant.objects.filter(
        user_id=purchase.user_id, plan=plan, revoked_at=None, ends_at__gt=span.starts_at, starts_at__lt=span.ends_at
    )
    starts_at = max([span.starts_at, *had.values_list("ends_at", flat=True)])
    if starts_at >= span.ends_at:
        return
    row.grant = Grant.objects.create(
        user_id=purchase.user_id,
        plan=plan,
        source=Grant.Source.PURCHASE,
        reason=f"{purchase.id} {row.transaction}"[:300],
        granted_by=purchase.account.store,
        starts_at=starts_at,
        ends_at=span.ends_at,
    )
    row.save(update_fields=["grant"])
    _tell(row.grant, why="granted")


def cut_grants(spans: Iterable[tuple[StoreTransaction, Span]], *, now: datetime) -> None:
    """Of spans that end earlier than they did when they were given: revoked by the store, or upgraded."""
    for row, span in spans:
        grant = row.grant
        if grant is None or grant.revoked_at is not None or not now < grant.ends_at > span.ends_at:
            continue
        if span.ends_at > max(now, grant.starts_at):
            grant.ends_at = span.ends_at
            grant.save(update_fields=["ends_at"])
            _tell(grant, why="grant_revoked")
        else:
            withdraw_grant(row, now=now)


def take_back_grants(rows: Iterable[StoreTransaction], *, now: datetime) -> None:
    """Of spans whose money was given back."""
    for row in rows:
        if row.revoked_at is not None:
            withdraw_grant(row, now=now)


def withdraw_grant(row: StoreTransaction, *, now: datetime) -> None:
    """End the grant that this span gave, if it still runs."""
    grant = row.grant
    if grant is not None and grant.revoked_at is None and grant.ends_at > now:
        grant.revoked_at = now
        grant.save(update_fields=["revoked_at"])
        _tell(grant, why="grant_revoked")


def _tell(grant: Grant, *, why: str) -> None:
    state = {
        "id": grant.id,
        "object": "grant",
        "user": grant.user_id,
        "plan": grant.plan_id,
        "source": str(grant.source),
        "starts_at": grant.starts_at.isoformat(),
        "ends_at": grant.ends_at.isoformat(),
        "revoked_at": grant.revoked_at.isoformat() if grant.revoked_at else None,
    }
    publish(MembershipChanged(grant.id, grant.user_id, why, state))
    touch([grant.user_id])


def open_conflict(purchase: StorePurchase) -> None:
    live = Subscription.objects.filter(user_id=purchase.user_id, status__in=LIVE).first()
    facts = {"user": purchase.user_id, "subscription": live.id if live else "", "sold_by": live.rail if live else ""}
    open_case(kind=CONFLICT, object_id=purchase.id, facts=facts)


def open_unmapped(purchase: StorePurchase) -> None:
    facts = {"account": purchase.account_id, "product": purchase.product_id[:80]}
    open_case(kind=UNMAPPED, object_id=purchase.id, facts=facts)


def settle_cases(purchase: StorePurchase) -> None:
    """It gives a membership: nobody need look any more."""
    for kind in (CONFLICT, UNMAPPED):
        resolve_cases(kind=kind, object_id=purchase.id, resolution="It gives a membership now.")
