"""The App Store's notices: verified, stored once, acknowledged; believed by the door after that. And the transactions
that apps hand in."""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from memberships.events import StoreNoticeReceived
from memberships.models import Store, StoreAccount, StoreNotice, StorePurchase
from memberships.stores.accounts import believed_accounts
from memberships.stores.apple.translating import facts_of, state_of
from memberships.stores.apple.verifying import (
    NotSigned,
    peek,
    verify_notification,
    verify_renewal,
    verify_transaction,
)
from memberships.stores.door import record_store_state
from memberships.stores.errors import PurchaseNotGenuine, StoreMessageRefused
from memberships.stores.moments import from_milliseconds
from paycore.events import publish
from paycore.parsers import CALLBACK_BODY_BYTES, BodyRefused, loads_strict

log = structlog.get_logger(__name__)

_PARTS_WITH_APP = ("data", "summary", "appData", "externalPurchaseToken")


def store_apple_notice(body: bytes, *, now: datetime) -> bool:
    """Keep one notice with the promise to process it; False when it is known. :class:`StoreMessageRefused`."""
    signed = _signed_payload(body)
    try:
        account, notification = _whose(signed, now=now)
        facts = _facts(account, notification, now=now)
    except NotSigned as error:
        log.warning("store_notice_refused", store="app_store", reason=str(error))
        raise StoreMessageRefused from error
    return _keep(account, notification, facts)


def process_apple_notice(notice_id: str) -> None:
    """Bring what a stored notice says to the door. Runs in the outbox's transaction; safe twice."""
    notice = StoreNotice.objects.select_related("account").get(id=notice_id)
    state = state_of(notice.facts)
    if state is not None:
        record_store_state(notice.account, state)


def accept_apple_transaction(signed: str, *, user_id: str, now: datetime) -> StorePurchase:
    """What an app handed in for its user. :class:`PurchaseNotGenuine`, :class:`PurchaseBelongsToAnother`."""
    try:
        bundle_id = peek(signed).get("bundleId")
        account, decoded = _first_believer(signed, bundle_id, verify_transaction, now=now)
    except NotSigned as error:
        log.warning("store_transaction_refused", store="app_store", reason=str(error))
        raise PurchaseNotGenuine from error
    state = state_of(facts_of(transaction=decoded))
    if state is None:
        raise PurchaseNotGenuine
    return record_store_state(account, state, claimed_by=user_id)


def _signed_payload(body: bytes) -> str:
    try:
        document = loads_strict(body, max_bytes=CALLBACK_BODY_BYTES)
    except BodyRefused as error:
        raise StoreMessageRefused from error
    signed = document.get("signedPayload") if isinstance(document, dict) else None
    if not isinstance(signed, str):
        raise StoreMessageRefused
    return signed


def _whose(signed: str, *, now: datetime) -> tuple[StoreAccount, Any]:
    payload = peek(signed)
    parts = [payload.get(name) for name in _PARTS_WITH_APP]
    bundle_id = next((part.get("bundleId") for part in parts if isinstance(part, dict)), None)
    return _first_believer(signed, bundle_id, verify_notification, now=now)


def _first_believer(signed: str, bundle_id: Any, verify: Any, *, now: datetime) -> tuple[StoreAccount, Any]:
    """The account of this app that the message was signed for."""
    refusal = NotSigned("no account for this app")
    accounts = believed_accounts(Store.APP_STORE, bundle_id) if _is_name(bundle_id) else []
    for account in accounts:
        try:
            return account, verify(account, signed, now=now)
        except NotSigned as error:
            refusal = error
    raise refusal


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 155 and value.isprintable()


def _facts(account: StoreAccount, notification: Any, *, now: datetime) -> dict[str, Any]:
    """The parts inside are signed on their own."""
    data = notification.data
    kind = str(notification.rawNotificationType or "")
    signed_transaction = data.signedTransactionInfo if data is not None else None
    signed_renewal = data.signedRenewalInfo if data is not None else None
    return facts_of(
        transaction=verify_transaction(account, signed_transaction, now=now) if signed_transaction else None,
        renewal=verify_renewal(account, signed_renewal, now=now) if signed_renewal else None,
        status=data.rawStatus if data is not None else None,
        kind=kind,
        subtype=str(notification.rawSubtype or ""),
    )


def _keep(account: StoreAccount, notification: Any, facts: dict[str, Any]) -> bool:
    event_id, signed_at = notification.notificationUUID, from_milliseconds(notification.signedDate)
    if not isinstance(event_id, str) or not 0 < len(event_id) <= 128 or not event_id.isprintable() or signed_at is None:
        raise StoreMessageRefused
    kind = "/".join(str(part) for part in (notification.rawNotificationType, notification.rawSubtype) if part)
    told = facts.get("transaction") or {}
    with transaction.atomic():
        notice, is_new = StoreNotice.objects.get_or_create(
            account=account,
            event_id=event_id,
            defaults={
                "kind": kind[:80],
                "reference": str(told.get("originalTransactionId") or "")[:1024],
                "facts": facts,
                "signed_at": signed_at,
            },
        )
        if is_new:
            publish(StoreNoticeReceived(notice.id))
    return is_new
