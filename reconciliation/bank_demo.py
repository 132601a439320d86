"""A payer who transfers too little, then the rest; money that nobody knows, sent back by two people."""

from datetime import date
from typing import Any

from accounts.models import User
from paycore.clock import database_now
from paycore.demo.acts import act
from paycore.demo.stage import Stage
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from reconciliation.banking.deciding import propose
from reconciliation.banking.matching import settle_entry
from reconciliation.banking.models import BankDecision, BankEntry
from reconciliation.banking.payout_files import make_payout_file, release_payout_file
from reconciliation.banking.payout_models import Payout
from reconciliation.banking.receiving import read_stored_file, store_bank_file

PAYER_IBAN = "GB82WEST12345698765432"


@act(order=55, name="bank transfer", title="Money by bank transfer")
def take_a_transfer(stage: Stage) -> None:
    account = GatewayAccount.objects.get(gateway="bank_transfer", name="Bank account")
    payment = _ask(stage)
    reference = payment["next_action"]["app_parameters"]["reference"]
    (first,) = _bank_says(account, [("25,00", f"my rent {reference}")])
    stage.require(first.question == "underpaid", "too little waits", first.question)
    stage.tell(f"{first.id}: 25.00 of 40.00 EUR came with {reference}; the payer is asked for the rest")
    rest, unknown = _bank_says(account, [("15,00", reference.replace(" ", "")), ("7,00", "for the flowers")])
    paid = Payment.objects.get(id=payment["id"])
    stage.require((paid.status, rest.status) == ("succeeded", "done"), "together they pay the order", paid.status)
    stage.tell("The second transfer completes it: the order is paid, once")
    stage.require(unknown.question == "unknown", "nobody knows whose 7.00 EUR these are", unknown.question)
    _send_back(stage, account, unknown)


def _ask(stage: Stage) -> dict[str, Any]:
    details = {"currency": "EUR", "amount_minor": 4_000, "description": "A warm coat"}
    payment = stage.server().post("/merchant/payments", {"order_details": details, "method": "bank_transfer"})
    stage.require(payment["status"] == "requires_action", "the payer is told where to transfer", payment)
    return payment


def _send_back(stage: Stage, account: GatewayAccount, unknown: BankEntry) -> None:
    olivia, rafael = (str(User.objects.get(email=f"{name}@demo.example").pk) for name in ("ops", "review"))
    propose(unknown.id, remedy=BankDecision.Remedy.RETURN, reason="Nobody ordered flowers", proposed_by=olivia)
    batch = make_payout_file(account.id, made_by=olivia, today=database_now().date())
    release_payout_file(batch.id, sha256=batch.sha256, released_by=rafael)
    stage.tell(f"Olivia makes the payout file {batch.id} (pain.001), Rafael releases exactly that file")
    payout = Payout.objects.get(subject_id=unknown.id)
    (line,) = _bank_says(account, [("-7,00", f"EREF+{payout.end_to_end_id}")])
    unknown.refresh_from_db()
    stage.require((line.status, unknown.status) == ("done", "done"), "the bank's line proves it", line.question)
    stage.told.setdefault("money moved by", []).append(("bank_entry", unknown.id))
    stage.tell("The bank's next statement shows it: suspense is empty again")


def _bank_says(account: GatewayAccount, lines: list[tuple[str, str]]) -> list[BankEntry]:
    """A statement of today with these lines, read and settled; its new lines in order."""
    today = database_now()
    body = _mt940(account.settings["iban"], lines, day=today.date(), number=f"{today:%H%M%S%f}")
    statement = read_stored_file(store_bank_file(account.id, [body], file_name="demo.sta").id)
    return [settle_entry(entry_id) for entry_id in statement.entries.order_by("position").values_list("id", flat=True)]


def _mt940(iban: str, lines: list[tuple[str, str]], *, day: date, number: str) -> bytes:
    minor = [int(amount.replace(",", "")) for amount, _text in lines]
    parts = [":20:DEMO", f":25:{iban}", ":28C:00001/001", f":60F:C{day:%y%m%d}EUR5000,00"]
    for position, (amount, text) in enumerate(lines):
        mark = "D" if amount.startswith("-") else "C"
        parts.append(f":61:{day:%y%m%d}{day:%m%d}{mark}{amount.lstrip('-')}NTRFNONREF//{number}{position}")
        parts.append(f":86:166?00TRANSFER?20{text}?31{PAYER_IBAN}?32Ada Payer")
    closing = 500_000 + sum(minor)
    parts += [f":62F:C{day:%y%m%d}EUR{closing // 100},{closing % 100:02d}", "-", ""]
    return "\r\n".join(parts).encode()
