"""Whose a store purchase is: handed over only when both sides want it, and looked at again when another membership
ends."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from memberships.models import StorePurchase, StoreTransfer, Subscription
from memberships.stores.bells import PLAY_TOKENS
from memberships.stores.door import relock_purchase
from memberships.stores.errors import TransferRefused
from memberships.stores.handing_over import Handover, hand_over
from memberships.stores.projecting import project
from memberships.subscriptions.errors import AlreadySubscribed
from memberships.subscriptions.rails import manage_url_of
from memberships.transitions import LIVE
from paycore import bell
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound

LEASE = timedelta(seconds=60)
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
_CODE_CHARACTERS = 16


def offer_transfer(*, purchase_id: str, user_id: str, now: datetime) -> tuple[StoreTransfer, str]:
    """The present owner's consent, with the code that takes it; an earlier code is good no more. NotFound for a
    purchase that is not ``user_id``'s. Within a transaction."""
    purchase = _own(purchase_id, user_id)
    purchase.transfers.filter(used_at=None, expires_at__gt=now).update(expires_at=now)
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARACTERS))
    offer = StoreTransfer.objects.create(
        purchase=purchase,
        code_hash=_hash(code),
        from_user_id=user_id,
        expires_at=now + timedelta(minutes=settings.PAYCORE_STORE_TRANSFER_MINUTES),
    )
    return offer, code


def take_transfer(*, code: str, user_id: str, now: datetime) -> StorePurchase:
    """The new owner's consent: the purchase and what is left of its period are theirs. Within a transaction.

    :class:`TransferRefused`; :class:`AlreadySubscribed` while they have a membership of their own.
    """
    known = StoreTransfer.objects.filter(code_hash=_hash(code)).values_list("purchase_id", flat=True).first()
    if known is None:
        raise TransferRefused
    purchase = relock_purchase(known)
    offer = StoreTransfer.objects.select_for_update(no_key=True).get(code_hash=_hash(code))
    is_good = offer.used_at is None and offer.expires_at > now and purchase.user_id == offer.from_user_id
    if not is_good or user_id == offer.from_user_id:
        raise TransferRefused
    _require_no_membership(user_id)
    offer.to_user_id, offer.used_at = user_id, now
    offer.save(update_fields=["to_user", "used_at"])
    hand_over(purchase, Handover(user_id, since=now, ended_at=now, end_reason="transferred"), now=now)
    project(purchase, now=database_now(subject=user_id))
    return purchase


def reconsider(user_id: str) -> None:
    """A membership of this user ended: a purchase beside it may take its place."""
    for purchase in StorePurchase.objects.filter(user_id=user_id, state=StorePurchase.State.CONFLICT).order_by("id"):
        locked = relock_purchase(purchase.id)
        project(locked, now=database_now(subject=user_id))


def due_purchases(*, limit: int) -> list[str]:
    """Ids of purchases to look at now, leased: grace may be over, a store silent for too long."""
    return claim_due(StorePurchase, lease=LEASE, limit=limit, condition="next_attempt_at IS NOT NULL")


def look_again(purchase_id: str) -> None:
    """What time alone changes. Safe to repeat."""
    with transaction.atomic():
        purchase = relock_purchase(purchase_id)
        project(purchase, now=database_now(subject=purchase.user_id or ""), is_news=False)


def _own(purchase_id: str, user_id: str) -> StorePurchase:
    found = StorePurchase.objects.select_for_update(no_key=True).filter(id=purchase_id, user_id=user_id).first()
    if found is None:
        raise NotFound
    return found


def _require_no_membership(user_id: str) -> None:
    live = Subscription.objects.filter(user_id=user_id, status__in=LIVE).first()
    if live is not None:
        raise AlreadySubscribed(subscription=live.id, sold_by=str(live.rail), manage_url=manage_url_of(live))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.strip().upper().replace("-", "").encode()).digest()


def note_products_mapped(account_id: str) -> None:
    """Products got plans: purchases that waited for that are looked at now."""
    waiting = StorePurchase.objects.filter(account_id=account_id, state=StorePurchase.State.UNMAPPED)
    waiting.update(next_attempt_at=database_now())
    bell.ring_on_commit(PLAY_TOKENS)
