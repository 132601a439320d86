"""Asking for a deed, deciding it, and doing it: at once for one member, in the background for many.

A deed and the note that it is done commit together, each subscription in a transaction of its own: whoever dies is
taken over, and nobody is extended twice.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from memberships.actions.deeds import check_terms, close_first, money_of, perform
from memberships.actions.errors import DecisionChanged, DecisionIsYourOwn, NobodyChosen, ReasonIsMissing
from memberships.models import MemberAction, MemberActionItem, Subscription
from memberships.subscriptions.recording import Why
from memberships.transitions import MEMBER_ACTION
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound, PaycoreError

MOST_AT_ONCE = 20_000
LEASE = timedelta(seconds=60)
ITEMS_A_CALL = 200
BULK = (MemberAction.Kind.EXTEND, MemberAction.Kind.CANCEL_AT_END, MemberAction.Kind.MOVE_TO_PRICE)
Status = MemberAction.Status
_WORDS = {
    MemberAction.Kind.EXTEND: "extended",
    MemberAction.Kind.CANCEL_AT_END: "canceled",
    MemberAction.Kind.CANCEL_NOW: "canceled",
    MemberAction.Kind.PAUSE: "paused",
    MemberAction.Kind.CHANGE_NOW: "changed",
    MemberAction.Kind.MOVE_TO_PRICE: "change_planned",
    MemberAction.Kind.REFUND: "refund_asked",
    MemberAction.Kind.FORGIVE: "period_forgiven",
}


@dataclass(frozen=True, slots=True)
class Wish:
    kind: str
    reason: str
    subscription_ids: Sequence[str]
    terms: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """How many, and what money moves: minor units by currency."""

    count: int
    amounts: Mapping[str, int]
    needs_second_person: bool


def preview(wish: Wish) -> Preview:
    """Changes nothing. TermsNotValid, NobodyChosen, and, for one member, what the deed itself would be refused for."""
    check_terms(wish.kind, wish.terms)
    ids = sorted(set(wish.subscription_ids))
    if not 1 <= len(ids) <= MOST_AT_ONCE or (len(ids) > 1 and wish.kind not in BULK):
        raise NobodyChosen
    amounts: dict[str, int] = {}
    rows = Subscription.objects.filter(id__in=ids)
    count = 0
    for subscription in rows.iterator(chunk_size=2000):
        count += 1
        now = database_now(subject=subscription.user_id) if len(ids) == 1 else subscription.created_at
        if money := money_of(wish.kind, subscription, wish.terms, now=now):
            amounts[money.currency] = amounts.get(money.currency, 0) + money.minor
    if not count:
        raise NobodyChosen
    return Preview(count, amounts, _needs_second_person(count, amounts))


def ask(wish: Wish, *, by: str) -> MemberAction:
    """Done at once for one member when no second person must agree; in the background for many.

    ReasonIsMissing, TermsNotValid, NobodyChosen, and what the deed is refused for: nothing has changed then.
    """
    reason = wish.reason.strip()[:300]
    if not reason:
        raise ReasonIsMissing
    looked = preview(wish)
    ids = list(
        Subscription.objects.filter(id__in=set(wish.subscription_ids)).order_by("id").values_list("id", flat=True)
    )
    is_single = looked.count == 1 and not looked.needs_second_person
    if is_single:
        close_first(wish.kind, Subscription.objects.get(id=ids[0]))
    with transaction.atomic():
        action = MemberAction.objects.create(
            kind=wish.kind,
            status=Status.WAITING if looked.needs_second_person else Status.RUNNING,
            terms=dict(wish.terms),
            reason=reason,
            fingerprint=fingerprint_of(wish.kind, wish.terms, reason, ids),
            total=len(ids),
            amounts=dict(looked.amounts),
            asked_by=by,
            next_attempt_at=None if looked.needs_second_person else database_now(),
        )
        MemberActionItem.objects.bulk_create(
            [MemberActionItem(action=action, subscription_id=one) for one in ids], batch_size=5000
        )
        if is_single:
            item = action.items.select_related("subscription").get()
            _do(action, item)
            _finish(action)
    return action


def approve(action_id: str, *, fingerprint: str, approved_by: str) -> MemberAction:
    """Another person agrees to exactly what they looked at; it is done in the background. NotFound, DecisionIsYourOwn,
    DecisionChanged."""
    with transaction.atomic():
        action = _lock_waiting(action_id)
        if action.asked_by == approved_by:
            raise DecisionIsYourOwn
        if action.fingerprint != fingerprint:
            raise DecisionChanged
        _decide(action, Status.RUNNING, by=approved_by)
    return action


def reject(action_id: str, *, rejected_by: str) -> MemberAction:
    """NotFound, DecisionIsYourOwn, DecisionChanged."""
    with transaction.atomic():
        action = _lock_waiting(action_id)
        if action.asked_by == rejected_by:
            raise DecisionIsYourOwn
        _decide(action, Status.REJECTED, by=rejected_by)
    return action


def withdraw(action_id: str, *, withdrawn_by: str) -> MemberAction:
    """By whoever asked. NotFound (also for another's), DecisionChanged."""
    with transaction.atomic():
        action = _lock_waiting(action_id)
        if action.asked_by != withdrawn_by:
            raise NotFound
        _decide(action, Status.WITHDRAWN, by=withdrawn_by)
    return action


def due_actions(*, limit: int) -> list[str]:
    """Ids of deeds under way, leased so that workers share the work."""
    return claim_due(MemberAction, lease=LEASE, limit=limit, condition="status = 'running'")


def carry_on(action_id: str) -> None:
    """The next subscriptions of a deed; at the end it is done."""
    pending = MemberActionItem.objects.filter(action_id=action_id, status="pending").order_by("id")
    ids = list(pending.values_list("id", flat=True)[:ITEMS_A_CALL])
    for item_id in ids:
        _carry_out(item_id)
    with transaction.atomic():
        action = MemberAction.objects.select_for_update(no_key=True).get(id=action_id)
        if action.status != Status.RUNNING:
            return
        if pending.exists():
            action.next_attempt_at = database_now()
            action.save(update_fields=["next_attempt_at"])
        else:
            _finish(action)


def fingerprint_of(kind: str, terms: Mapping[str, Any], reason: str, ids: Sequence[str]) -> str:
    """SHA-256 of what would be done, why and to whom."""
    content = json.dumps([kind, dict(terms), reason, sorted(ids)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _carry_out(item_id: int) -> None:
    known = MemberActionItem.objects.select_related("action", "subscription").get(id=item_id)
    if known.status != MemberActionItem.Status.PENDING:
        return
    try:
        close_first(known.action.kind, known.subscription)
        with transaction.atomic():
            rows = MemberActionItem.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            item = rows.select_related("subscription").filter(id=item_id, status="pending").first()
            if item is not None:
                _do(known.action, item)
    except PaycoreError as refusal:
        _note(item_id, str(refusal.title))


def _do(action: MemberAction, item: MemberActionItem) -> None:
    subscription = item.subscription
    now = database_now(subject=subscription.user_id)
    why = Why(_WORDS[MemberAction.Kind(action.kind)], action.asked_by, now, action.reason, {"deed": action.id})
    note = perform(action.kind, subscription, action.terms, why)
    item.status, item.note, item.done_at = MemberActionItem.Status.DONE, note[:300], now
    item.save(update_fields=["status", "note", "done_at"])
    MemberAction.objects.filter(id=action.id).update(done=F("done") + 1)


def _note(item_id: int, text: str) -> None:
    """It was refused: nothing happened to this subscription."""
    with transaction.atomic():
        rows = MemberActionItem.objects.select_for_update(no_key=True)
        item = rows.filter(id=item_id, status="pending").first()
        if item is not None:
            item.status, item.note, item.done_at = MemberActionItem.Status.REFUSED, text[:300], database_now()
            item.save(update_fields=["status", "note", "done_at"])
            MemberAction.objects.filter(id=item.action_id).update(refused=F("refused") + 1)


def _finish(action: MemberAction) -> None:
    action.status, action.next_attempt_at, action.finished_at = Status.DONE, None, database_now()
    action.save(update_fields=["status", "next_attempt_at", "finished_at"])


def _lock_waiting(action_id: str) -> MemberAction:
    action = MemberAction.objects.select_for_update(no_key=True).filter(id=action_id).first()
    if action is None:
        raise NotFound
    if action.status != Status.WAITING:
        raise DecisionChanged
    return action


def _decide(action: MemberAction, status: MemberAction.Status, *, by: str) -> None:
    MEMBER_ACTION.require(action.status, status)
    action.status, action.decided_by, action.decided_at = status, by, database_now()
    action.next_attempt_at = action.decided_at if status == Status.RUNNING else None
    action.save(update_fields=["status", "decided_by", "decided_at", "next_attempt_at"])


def _needs_second_person(count: int, amounts: Mapping[str, int]) -> bool:
    return count > settings.PAYCORE_BULK_SECOND_PERSON_ABOVE or any(
        minor > settings.PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR for minor in amounts.values()
    )
