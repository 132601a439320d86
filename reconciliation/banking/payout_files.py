"""Payout files: one person makes one, another releases exactly that one, and then it may be taken to the bank."""

import hashlib
from datetime import date

from django.db import transaction
from django.db.models import Q

from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from payments.wallet.queries import withdrawals_to_pay
from payments.wallet.services import withdrawal_sent
from reconciliation.banking.errors import NothingToPayOut, PayoutFileChanged, PayoutFileIsYourOwn
from reconciliation.banking.pain_files import CURRENCY, write_pain
from reconciliation.banking.payout_models import Payout, PayoutBatch
from reconciliation.banking.receiving import bank_account
from reconciliation.events import PayoutFileReleased
from reconciliation.transitions import PAYOUT, PAYOUT_BATCH

MOST = 500


def make_payout_file(account_id: str, *, made_by: str, today: date) -> PayoutBatch:
    """Everything of this account that waits and has an account to go to, but for withdrawals from frozen wallets: they
    would keep the whole file from being released. NotFound, NotABankAccount, NothingToPayOut."""
    account = bank_account(account_id)
    with transaction.atomic():
        payouts = list(
            Payout.objects.select_for_update(no_key=True, skip_locked=True)
            .filter(gateway_account_id=account.id, status=Payout.Status.WAITING, has_account=True, currency=CURRENCY)
            .filter(~Q(kind=Payout.Kind.WITHDRAWAL) | Q(subject_id__in=withdrawals_to_pay().values("id")))
            .order_by("id")[:MOST]
        )
        if not payouts:
            raise NothingToPayOut
        body = write_pain(account, payouts, execution_date=today)
        batch = PayoutBatch.objects.create(
            gateway_account_id=account.id,
            currency=CURRENCY,
            total_minor=sum(payout.amount_minor for payout in payouts),
            count=len(payouts),
            sha256=hashlib.sha256(body).hexdigest(),
            body=body,
            made_by=made_by,
        )
        _move(payouts, Payout.Status.IN_FILE, batch=batch)
    return batch


def release_payout_file(batch_id: str, *, sha256: str, released_by: str) -> PayoutBatch:
    """``sha256`` is of the file that this person looked at. NotFound, PayoutFileIsYourOwn, PayoutFileChanged."""
    with transaction.atomic():
        batch, payouts = _lock(batch_id)
        if released_by in {batch.made_by, *(payout.account_given_by for payout in payouts)}:
            raise PayoutFileIsYourOwn
        if not batch.sha256 == sha256 == hashlib.sha256(batch.body).hexdigest():
            raise PayoutFileChanged
        if batch.status != PayoutBatch.Status.PREPARED:
            raise PayoutFileChanged
        PAYOUT_BATCH.require(batch.status, PayoutBatch.Status.RELEASED)
        batch.status, batch.released_by = PayoutBatch.Status.RELEASED, released_by
        batch.released_at = database_now()
        batch.save(update_fields=["status", "released_by", "released_at"])
        _move(payouts, Payout.Status.RELEASED, batch=batch)
        for payout in payouts:
            if payout.kind == Payout.Kind.WITHDRAWAL:
                withdrawal_sent(payout.subject_id, batch=batch.id)
        publish(PayoutFileReleased(batch.id, batch.count))
    return batch


def discard_payout_file(batch_id: str) -> PayoutBatch:
    """It was never sent: its payouts wait for another one. NotFound, IllegalTransition."""
    with transaction.atomic():
        batch, payouts = _lock(batch_id)
        PAYOUT_BATCH.require(batch.status, PayoutBatch.Status.DISCARDED)
        batch.status = PayoutBatch.Status.DISCARDED
        batch.save(update_fields=["status"])
        _move(payouts, Payout.Status.WAITING, batch=None)
    return batch


def _lock(batch_id: str) -> tuple[PayoutBatch, list[Payout]]:
    batch = PayoutBatch.objects.select_for_update(no_key=True).filter(id=batch_id).first()
    if batch is None:
        raise NotFound
    return batch, list(Payout.objects.select_for_update(no_key=True).filter(batch=batch).order_by("id"))


def _move(payouts: list[Payout], status: Payout.Status, *, batch: PayoutBatch | None) -> None:
    for payout in payouts:
        PAYOUT.require(payout.status, status)
    Payout.objects.filter(id__in=[payout.id for payout in payouts]).update(status=status, batch=batch)
