"""Purchase tokens: asked about when they are due or handed in, brought to the door, acknowledged.

A token's row is the promise: it stays due until Google answered, and until the purchase is acknowledged, which Google
wants within three days, else it gives the money back. A purchase that is nobody's is not acknowledged: the buyer would
have paid for nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from memberships.models import StoreAccount, StorePurchase, StoreToken, StoreTransaction
from memberships.stores.bells import PLAY_TOKENS
from memberships.stores.door import record_store_state
from memberships.stores.errors import PurchaseNotGenuine, StoreUnreachable
from memberships.stores.facts import Span, StoreState
from memberships.stores.google.play_api import PlayUnavailable, PurchaseUnknown, connect
from memberships.stores.google.translating import PlayAnswer, read_answer
from paycore import bell
from paycore.claims import claim_due
from paycore.clock import database_now
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
RETRY_SECONDS = (5, 15, 60, 300, 900, 3600)
ATTEMPTS_UNTIL_A_PERSON_LOOKS = 12
AFTER_THE_END = timedelta(minutes=5)
WHILE_HALTED = timedelta(days=1)
WHILE_AWAITED = timedelta(hours=1)
"""A payment, a renewal that is late, or a word of ours that makes a purchase somebody's."""
Standing = StorePurchase.Standing


def due_tokens(*, limit: int) -> list[str]:
    """Ids of tokens to ask about now, leased."""
    return claim_due(StoreToken, lease=LEASE, limit=limit, condition="next_attempt_at IS NOT NULL")


def advance_token(token_id: str) -> None:
    """Ask Google, record the answer, acknowledge. No transaction is open while it is asked; safe to repeat."""
    token = StoreToken.objects.select_related("account").get(id=token_id)
    api, package = connect(token.account), token.account.bundle_id
    asked_at = database_now()
    try:
        answer = api.get_subscription(package, token.token)
        told = _accept(token, answer, asked_at=asked_at)
        is_owed = told is not None and told.wants_acknowledgement
        if told is not None and _may_be_acknowledged(token, told):
            api.acknowledge(package, told.span.product_id if told.span else "", token.token)
            StoreToken.objects.filter(id=token.id).update(acknowledged_at=database_now())
            is_owed = False
    except PlayUnavailable as error:
        _put_off(token, reason=str(error))
        return
    except PurchaseUnknown as error:
        # Google named it to us, so it may only not know it yet.
        _put_off(token, reason=f"unknown there: {error}", most_attempts=ATTEMPTS_UNTIL_A_PERSON_LOOKS)
        return
    _rest(token, next_at=_next_look(told, now=asked_at, is_owed=is_owed), since=token.next_attempt_at)


def accept_play_purchase(
    account: StoreAccount, purchase_token: str, answer: Mapping[str, Any], *, user_id: str, asked_at: datetime
) -> StorePurchase:
    """What an app handed in for its user, with what Google says of it (:func:`ask_about`); within a transaction.

    :class:`PurchaseNotGenuine`, :class:`PurchaseBelongsToAnother`.
    """
    token, _made = StoreToken.objects.get_or_create(account=account, token=purchase_token)
    token.account = account
    told = _accept(token, answer, asked_at=asked_at, claimed_by=user_id)
    if told is None or token.purchase is None:
        raise PurchaseNotGenuine
    StoreToken.objects.filter(id=token.id).update(attempts=0, next_attempt_at=database_now())
    bell.ring_on_commit(PLAY_TOKENS)  # the worker acknowledges
    return StorePurchase.objects.select_related("account").get(id=token.purchase_id)


def ask_about(account: StoreAccount, purchase_token: str) -> Mapping[str, Any]:
    """Google's answer; no transaction may be open. :class:`PurchaseNotGenuine`, :class:`StoreUnreachable`."""
    try:
        return connect(account).get_subscription(account.bundle_id, purchase_token)
    except PurchaseUnknown as error:
        raise PurchaseNotGenuine from error
    except PlayUnavailable as error:
        log.warning("play_unavailable", account=account.id, reason=str(error))
        raise StoreUnreachable(retry_after_seconds=10) from error


def _accept(
    token: StoreToken, answer: Mapping[str, Any], *, asked_at: datetime, claimed_by: str | None = None
) -> PlayAnswer | None:
    """Record an answer; None when it is not believed here: a test purchase gives something in sandbox mode only."""
    with transaction.atomic():
        rows = StoreToken.objects.select_for_update(no_key=True, of=("self",)).select_related("purchase")
        locked = rows.get(id=token.id)
        told = read_answer(answer, asked_at=asked_at, voided=locked.voided_orders)
        if told.is_test and not settings.PAYCORE_SANDBOX_MODE:
            log.warning("play_test_purchase_ignored", token_id=token.id)
            return None
        reference = _reference(locked, told)
        # For the membership speaks what replaced this token, or what it would replace once it is paid for.
        is_heard = not locked.is_replaced and (told.is_bought or not told.linked_token)
        state = StoreState(
            reference=reference,
            signed_at=asked_at,
            span=told.span,
            standing=told.standing if is_heard else "",
            grace_until=told.grace_until,
            auto_renews=told.auto_renews if is_heard else None,
            user_id=told.user_id,
        )
        purchase = record_store_state(token.account, state, claimed_by=claimed_by)
        _take_back_older(token.account, purchase, locked, asked_at=asked_at)
        locked.purchase = token.purchase = purchase
        locked.save(update_fields=["purchase", "is_replaced"])
        token.is_replaced = locked.is_replaced
    return told


def _reference(token: StoreToken, told: PlayAnswer) -> str:
    """The first token of the purchase, as far as it is known: an upgrade goes on with a new one, and takes the place of
    the older one as soon as it is paid for."""
    purchase = token.purchase
    if not told.linked_token or told.linked_token == token.token:
        return str(purchase.reference) if purchase is not None else token.token
    older = _older(token, told.linked_token)
    replaced = older.purchase
    if replaced is None:
        return told.linked_token
    if not told.is_bought:
        if told.standing == Standing.EXPIRED:  # given up: the older one says what holds
            StoreToken.objects.filter(id=older.id).update(next_attempt_at=database_now())
            bell.ring_on_commit(PLAY_TOKENS)
    elif purchase is None or purchase.id == replaced.id:
        StoreToken.objects.filter(id=older.id).update(is_replaced=True)
    return str(purchase.reference if purchase is not None else replaced.reference)


def _older(token: StoreToken, linked: str) -> StoreToken:
    """The token that ``token`` names as the one before it, with its purchase."""
    older, is_new = StoreToken.objects.select_related("purchase").get_or_create(
        account_id=token.account_id, token=linked, defaults={"next_attempt_at": database_now()}
    )
    if older.purchase is None:
        older.purchase, _made = StorePurchase.objects.get_or_create(account_id=token.account_id, reference=linked)
        older.save(update_fields=["purchase"])
    if is_new:
        bell.ring_on_commit(PLAY_TOKENS)
    return older


def _take_back_older(account: StoreAccount, purchase: StorePurchase, token: StoreToken, *, asked_at: datetime) -> None:
    """Orders before the newest one that were taken back as well."""
    rows = StoreTransaction.objects.filter(purchase=purchase, transaction__in=[*token.voided_orders], revoked_at=None)
    for row in rows:
        revoked_at = datetime.fromisoformat(token.voided_orders[row.transaction])
        span = replace(Span.of(row), revoked_at=revoked_at, signed_at=asked_at)
        record_store_state(account, StoreState(reference=purchase.reference, signed_at=asked_at, span=span))


def _may_be_acknowledged(token: StoreToken, told: PlayAnswer) -> bool:
    purchase = token.purchase
    is_given = purchase is not None and purchase.state in (StorePurchase.State.LINKED, StorePurchase.State.CONFLICT)
    return told.wants_acknowledgement and is_given


def _next_look(told: PlayAnswer | None, *, now: datetime, is_owed: bool) -> datetime | None:
    """Also without a push: a lost one must not end or prolong anything. ``is_owed``: an acknowledgement that waits for
    the purchase to be somebody's, or for its product to have a plan."""
    if told is None or told.standing == Standing.EXPIRED:
        return None
    if told.standing == Standing.PENDING or is_owed:
        return now + WHILE_AWAITED
    ends_at = told.span.ends_at + AFTER_THE_END if told.span is not None else now
    if ends_at > now:
        return ends_at
    return now + (WHILE_AWAITED if told.standing == Standing.ACTIVE else WHILE_HALTED)


def _rest(token: StoreToken, *, next_at: datetime | None, since: datetime | None = None) -> None:
    """Not over a hint that came meanwhile: then it is due already."""
    rows = StoreToken.objects.filter(id=token.id)
    if since is not None:
        rows = rows.filter(next_attempt_at=since)
    rows.update(next_attempt_at=None if token.is_replaced else next_at, attempts=0)
    resolve_cases(kind=Case.Kind.STUCK, object_id=token.id, resolution="Google answered.")


def _put_off(token: StoreToken, *, reason: str, most_attempts: int | None = None) -> None:
    attempts = token.attempts + 1
    delay = timedelta(seconds=RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1])
    is_last = most_attempts is not None and attempts >= most_attempts
    log.warning("play_token_not_asked", token_id=token.id, attempts=attempts, reason=reason)
    with transaction.atomic():
        StoreToken.objects.filter(id=token.id, next_attempt_at=token.next_attempt_at).update(
            attempts=min(attempts, 30_000), next_attempt_at=None if is_last else database_now() + delay
        )
        if attempts == ATTEMPTS_UNTIL_A_PERSON_LOOKS:
            open_case(kind=Case.Kind.STUCK, object_id=token.id, facts={"reason": reason[:200]})
