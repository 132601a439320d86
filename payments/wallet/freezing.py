"""Stopping what leaves a wallet: no payment and no withdrawal until a person lets it. What comes in still comes in."""

from django.db import transaction

from paycore.clock import database_now
from payments.wallet import transitions
from payments.wallet.errors import ReasonMissing
from payments.wallet.models import Wallet, WalletTopUp
from payments.wallet.moving import lock_wallet
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

SYSTEM = "system"


def freeze(wallet_id: str, *, reason: str, by: str) -> Wallet:
    """NotFound, ReasonMissing, IllegalTransition."""
    if not reason.strip():
        raise ReasonMissing
    with transaction.atomic():
        wallet = lock_wallet(wallet_id)
        transitions.WALLET.require(wallet.status, Wallet.Status.FROZEN)
        wallet.status, wallet.frozen_at = Wallet.Status.FROZEN, database_now()
        wallet.frozen_reason, wallet.frozen_by = reason.strip()[:300], by
        wallet.save(update_fields=["status", "frozen_at", "frozen_reason", "frozen_by"])
    return wallet


def unfreeze(wallet_id: str, *, reason: str, by: str) -> Wallet:
    """NotFound, ReasonMissing, IllegalTransition. What was asked of people about its dispute is answered by it."""
    if not reason.strip():
        raise ReasonMissing
    with transaction.atomic():
        wallet = lock_wallet(wallet_id)
        transitions.WALLET.require(wallet.status, Wallet.Status.ACTIVE)
        wallet.status, wallet.frozen_at, wallet.frozen_reason, wallet.frozen_by = Wallet.Status.ACTIVE, None, "", ""
        wallet.save(update_fields=["status", "frozen_at", "frozen_reason", "frozen_by"])
        resolve_cases(
            kind=Case.Kind.WALLET_DISPUTED, object_id=wallet.id, resolution=reason.strip(), resolved_by_id=by or None
        )
    return wallet


def freeze_for_dispute(order_id: str) -> bool:
    """The payer's bank takes a top-up's money back: what is in the wallet must not leave it. Whether ``order_id`` is
    of a top-up; in the running transaction or its own, and safe to repeat."""
    with transaction.atomic():
        top_up = WalletTopUp.objects.filter(order_id=order_id).first()
        if top_up is None:
            return False
        wallet = lock_wallet(top_up.wallet_id)
        if not wallet.is_frozen:
            freeze(wallet.id, reason=f"dispute of {order_id}", by=SYSTEM)
        facts = {
            "order": order_id,
            "top_up": top_up.id,
            "amount_minor": top_up.amount_minor,
            "currency": top_up.currency,
        }
        open_case(kind=Case.Kind.WALLET_DISPUTED, object_id=wallet.id, facts=facts)
    return True
