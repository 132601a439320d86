"""The one door for what a store says: the newest word of every fact is kept, then everything is worked out anew.

Copies change nothing, older words never overwrite newer ones, and any order ends in the same state.
"""

from dataclasses import replace

from django.db import transaction

from memberships.models import StoreAccount, StorePurchase, StoreTransaction
from memberships.stores.errors import PurchaseBelongsToAnother
from memberships.stores.facts import TOLD, Span, StoreState, standing_rank
from memberships.stores.handing_over import Handover, hand_over
from memberships.stores.projecting import project
from paycore.clock import database_now


def record_store_state(account: StoreAccount, state: StoreState, *, claimed_by: str | None = None) -> StorePurchase:
    """Keep what is new in ``state`` and bring the membership to it. ``claimed_by`` is the user whose app handed it in.

    :class:`PurchaseBelongsToAnother` for a claim of somebody else's; then nothing is kept.
    """
    with transaction.atomic():
        purchase = lock_purchase(account, state.reference)
        is_bought_again = _go_to_buyer(purchase, state)
        is_owner_new = _take_owner(purchase, state, claimed_by=claimed_by) or is_bought_again
        before = _registers(purchase)
        is_new = _merge(purchase, state)
        if is_owner_new or is_new:
            project(purchase, now=database_now(subject=purchase.user_id or ""))
        elif _registers(purchase) != before:
            purchase.save()
    return purchase


def lock_purchase(account: StoreAccount, reference: str) -> StorePurchase:
    """The row, made if need be, locked until the transaction ends."""
    found, _made = StorePurchase.objects.get_or_create(account=account, reference=reference)
    return relock_purchase(found.id)


def relock_purchase(purchase_id: str) -> StorePurchase:
    """By our own id."""
    rows = StorePurchase.objects.select_for_update(no_key=True, of=("self",)).select_related("account")
    return rows.get(id=purchase_id)


def _take_owner(purchase: StorePurchase, state: StoreState, *, claimed_by: str | None) -> bool:
    """The first one stays, whether an account token or a claim named them; a transfer changes that, and whoever buys
    again what lapsed."""
    named = purchase.user_id or state.user_id
    if claimed_by is not None and named not in (None, claimed_by):
        raise PurchaseBelongsToAnother
    owner = named or claimed_by
    if owner is None or purchase.user_id == owner:
        return False
    purchase.user_id = owner
    return True


def _go_to_buyer(purchase: StorePurchase, state: StoreState) -> bool:
    """Two of our users share an Apple account: the one whose token came with a new purchase by hand, after all that was
    paid for before had ended, paid for it."""
    span, buyer = state.span, state.user_id
    if span is None or not span.is_bought or buyer is None or purchase.user_id in (None, buyer):
        return False
    known = list(purchase.transactions.all())
    ended_at = max((min(row.ends_at, row.revoked_at or row.ends_at) for row in known), default=None)
    is_new = all(row.transaction != span.transaction for row in known)
    is_after_transfer = purchase.owned_since is None or purchase.owned_since < span.starts_at
    if not is_new or ended_at is None or not ended_at < span.starts_at or not is_after_transfer:
        return False
    now = database_now(subject=str(purchase.user_id))
    hand_over(purchase, Handover(buyer, since=span.starts_at, ended_at=ended_at, end_reason="expired"), now=now)
    return True


def _merge(purchase: StorePurchase, state: StoreState) -> bool:
    """Whether anything of it was news."""
    is_new = state.span is not None and _merge_span(purchase, state.span)
    if state.standing and _is_newer(purchase, state):
        is_new |= (purchase.standing, purchase.grace_until) != (state.standing, state.grace_until)
        is_new |= purchase.standing_at is None
        purchase.standing, purchase.standing_at = state.standing, state.signed_at
        purchase.grace_until = state.grace_until
    if state.auto_renews is not None and _renews_newer(purchase, state):
        is_new |= purchase.auto_renews != state.auto_renews
        purchase.auto_renews, purchase.auto_renews_at = state.auto_renews, state.signed_at
    if purchase.signed_at is None or purchase.signed_at < state.signed_at:
        purchase.signed_at = state.signed_at
    return is_new


def _registers(purchase: StorePurchase) -> tuple[object, ...]:
    names = ("standing", "standing_at", "grace_until", "auto_renews", "auto_renews_at", "signed_at")
    return tuple(getattr(purchase, name) for name in names)


def _is_newer(purchase: StorePurchase, state: StoreState) -> bool:
    if purchase.standing_at is None:
        return True
    told = (state.signed_at, standing_rank(state.standing), state.grace_until is not None)
    return told > (purchase.standing_at, standing_rank(purchase.standing), purchase.grace_until is not None)


def _renews_newer(purchase: StorePurchase, state: StoreState) -> bool:
    if purchase.auto_renews_at is None or purchase.auto_renews is None:
        return True
    # Of two words of one instant, the one that keeps access.
    return (state.signed_at, bool(state.auto_renews)) > (purchase.auto_renews_at, purchase.auto_renews)


def _merge_span(purchase: StorePurchase, span: Span) -> bool:
    values = {name: getattr(span, name) for name in TOLD}
    row, is_made = StoreTransaction.objects.get_or_create(
        purchase=purchase, transaction=span.transaction, defaults={**values, "signed_at": span.signed_at}
    )
    if is_made:
        return True
    known = Span.of(row)
    # One word that it was an upgrade is enough, whatever the later ones leave out.
    merged = replace(max(known, span, key=lambda one: one.rank), is_bought=known.is_bought and span.is_bought)
    if merged == known:
        return False
    for name in (*TOLD, "signed_at"):
        setattr(row, name, getattr(merged, name))
    row.save(update_fields=[*TOLD, "signed_at"])
    return replace(merged, signed_at=known.signed_at) != known
