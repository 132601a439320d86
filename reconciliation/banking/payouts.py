"""What we owe by bank transfer: collected from refunds, withdrawals and money to send back, each once."""

from collections.abc import Iterator

from django.db import transaction

from paycore.errors import NotFound
from paycore.identifiers import new_id
from paycore.money import Money
from payments.gateways.bank_transfer import BankTransferGateway
from payments.orders.models import Refund
from payments.routing.models import GatewayAccount
from payments.wallet.queries import withdrawals_to_pay
from reconciliation.banking.errors import EntryIsNotOpen, InvalidIban
from reconciliation.banking.models import BankAllocation, BankEntry
from reconciliation.banking.pain_files import checked_iban
from reconciliation.banking.payout_models import Payout
from reconciliation.transitions import PAYOUT
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

ALIVE = (Payout.Status.WAITING, Payout.Status.IN_FILE, Payout.Status.RELEASED, Payout.Status.PAID)
BATCH = 200


def collect_payouts() -> int:
    """A row for each refund and withdrawal that waits for the bank; how many are new. Twice at once is once."""
    before = Payout.objects.count()
    for payout in (*_of_refunds(), *_of_withdrawals()):
        _add(payout)
    return Payout.objects.count() - before


def new_payout(*, account_id: str, kind: Payout.Kind, subject_id: str, amount: Money, name: str, iban: str) -> Payout:
    """Not stored yet. An IBAN that is none is left out: somebody has to ask for the right one."""
    try:
        known_iban = checked_iban(iban)
    except InvalidIban:
        known_iban = ""
    payout_id = new_id("pyo")
    return Payout(
        id=payout_id,
        gateway_account_id=account_id,
        kind=kind,
        subject_id=subject_id,
        currency=amount.currency,
        amount_minor=amount.minor,
        creditor_name=name[:70],
        creditor_iban=known_iban,
        has_account=bool(known_iban),
        # Banks take no underscore.
        end_to_end_id=payout_id.replace("_", "").upper(),
    )


def give_account(payout_id: str, *, name: str, iban: str, given_by: str) -> Payout:
    """Where the money shall go, from a person who asked. Another person releases the file that it
    goes into. NotFound, InvalidIban, IllegalTransition."""
    known_iban = checked_iban(iban)
    with transaction.atomic():
        payout = Payout.objects.select_for_update(no_key=True).filter(id=payout_id).first()
        if payout is None:
            raise NotFound
        PAYOUT.require(payout.status, Payout.Status.IN_FILE)
        payout.creditor_name, payout.creditor_iban, payout.has_account = name.strip()[:70], known_iban, True
        payout.account_given_by = given_by
        payout.save(update_fields=["creditor_name", "creditor_iban", "has_account", "account_given_by"])
        _close_case(payout, "an account was given")
    return payout


def send_back(entry: BankEntry) -> Payout:
    """What is left of an open line goes back to where it came from. In the running transaction, with it locked."""
    if not entry.is_credit or Payout.objects.filter(subject_id=entry.id, status__in=ALIVE[:-1]).exists():
        raise EntryIsNotOpen
    payout = new_payout(
        account_id=entry.gateway_account_id,
        kind=Payout.Kind.RETURN,
        subject_id=entry.id,
        amount=entry.unallocated,
        name=entry.counterparty_name,
        iban=entry.counterparty_iban,
    )
    _add(payout)
    return payout


def has_payout_alive(entry: BankEntry) -> bool:
    """Its money is on its way back already."""
    return Payout.objects.filter(subject_id=entry.id, status__in=ALIVE[:-1]).exists()


def cancel_payout(payout_id: str) -> Payout:
    """Only money to send back, and only before it is in a file: the line is open for another decision. NotFound,
    IllegalTransition, EntryIsNotOpen."""
    with transaction.atomic():
        payout = Payout.objects.select_for_update(no_key=True).filter(id=payout_id).first()
        if payout is None:
            raise NotFound
        if payout.kind != Payout.Kind.RETURN:
            raise EntryIsNotOpen
        PAYOUT.require(payout.status, Payout.Status.CANCELED)
        payout.status = Payout.Status.CANCELED
        payout.save(update_fields=["status"])
        _close_case(payout, "canceled")
    return payout


def _add(payout: Payout) -> None:
    """The constraint lets one live: who comes second adds nothing."""
    with transaction.atomic():
        Payout.objects.bulk_create([payout], ignore_conflicts=True)
        if not payout.has_account and Payout.objects.filter(id=payout.id).exists():
            facts = {
                "kind": str(payout.kind),
                "subject": payout.subject_id,
                "amount_minor": payout.amount_minor,
                "currency": payout.currency,
            }
            open_case(kind=Case.Kind.PAYOUT_ACCOUNT, object_id=payout.id, facts=facts)


def _close_case(payout: Payout, resolution: str) -> None:
    resolve_cases(kind=Case.Kind.PAYOUT_ACCOUNT, object_id=payout.id, resolution=resolution)


def _of_refunds() -> Iterator[Payout]:
    waiting = Refund.objects.filter(
        status=Refund.Status.SUBMITTING, payment__gateway_account__gateway=BankTransferGateway.name
    ).select_related("payment")
    known = Payout.objects.filter(kind=Payout.Kind.REFUND, status__in=ALIVE)
    for refund in waiting.exclude(id__in=known.values("subject_id")).order_by("id")[:BATCH]:
        name, iban = _payer_of(refund.payment_id)
        yield new_payout(
            account_id=refund.payment.gateway_account_id,
            kind=Payout.Kind.REFUND,
            subject_id=refund.id,
            amount=refund.amount,
            name=name,
            iban=iban,
        )


def _payer_of(payment_id: str) -> tuple[str, str]:
    """Who sent the money: the line of it that says so."""
    uses = BankAllocation.objects.filter(subject_id=payment_id, purpose=BankAllocation.Purpose.PAYMENT)
    for use in uses.select_related("entry").order_by("id"):
        if use.entry.counterparty_iban:
            return use.entry.counterparty_name, use.entry.counterparty_iban
    return "", ""


def _of_withdrawals() -> Iterator[Payout]:
    accounts = list(GatewayAccount.objects.filter(gateway=BankTransferGateway.name, merchant=None, is_enabled=True))
    accounts.sort(key=lambda account: (account.priority, account.id))
    known = Payout.objects.filter(kind=Payout.Kind.WITHDRAWAL, status__in=ALIVE)
    for withdrawal in withdrawals_to_pay().exclude(id__in=known.values("subject_id"))[:BATCH]:
        account = next((a for a in accounts if not a.currencies or withdrawal.currency in a.currencies), None)
        if account is None:
            continue
        yield new_payout(
            account_id=account.id,
            kind=Payout.Kind.WITHDRAWAL,
            subject_id=withdrawal.id,
            amount=Money(withdrawal.amount_minor, withdrawal.currency),
            name=withdrawal.holder or "",
            iban=withdrawal.iban or "",
        )
