"""Bank statements come in: kept first, then read whole or not at all. The same file, or the same line, counts once."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

import structlog
from django.db import connection, transaction

from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from payments.gateways.bank_transfer import BankTransferGateway
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account
from reconciliation.banking.errors import BankFileTooLarge, NotABankAccount
from reconciliation.banking.formats import read_bank_file
from reconciliation.banking.lines import AccountStatement, BankFileRefused, Line, references_in
from reconciliation.banking.models import BankEntry, BankStatement
from reconciliation.events import BankStatementRead, BankStatementRefused
from reconciliation.transitions import BANK_STATEMENT

log = structlog.get_logger(__name__)
MAX_FILE_BYTES = 16 * 1024 * 1024
LEASE = timedelta(seconds=60)
_BATCH = 1_000


def bank_account(account_id: str) -> GatewayAccount:
    """NotFound, NotABankAccount."""
    account = get_account(account_id)
    if account is None:
        raise NotFound
    if account.gateway != BankTransferGateway.name:
        raise NotABankAccount
    return account


def iban_of(account: GatewayAccount) -> str:
    return str(account.settings.get("iban", "")).replace(" ", "").upper()


def store_bank_file(
    account_id: str, pieces: Iterable[bytes], *, file_name: str = "", uploaded_by: str = ""
) -> BankStatement:
    """Keep a file of this account; it is read by the next worker. The same bytes again are the row that is there.

    NotFound, NotABankAccount, BankFileTooLarge.
    """
    account = bank_account(account_id)
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > MAX_FILE_BYTES:
            raise BankFileTooLarge
    sha256 = hashlib.sha256(body).hexdigest()
    row = BankStatement(
        gateway_account_id=account.id,
        file_name=file_name[-120:],
        sha256=sha256,
        size_bytes=len(body),
        body=bytes(body),
        uploaded_by=uploaded_by,
        next_attempt_at=database_now(),
    )
    BankStatement.objects.bulk_create([row], ignore_conflicts=True)
    return BankStatement.objects.get(gateway_account_id=account.id, sha256=sha256)


def due_bank_statements(*, limit: int) -> list[str]:
    return claim_due(BankStatement, lease=LEASE, limit=limit)


def read_stored_file(statement_id: str) -> BankStatement:
    """All of its new lines as rows that are due, in one transaction; or why it cannot be believed. Twice is once."""
    statement = BankStatement.objects.filter(id=statement_id).first()
    if statement is None:
        raise NotFound
    if statement.status != BankStatement.Status.RECEIVED:
        return statement
    try:
        found_format, found = read_bank_file(statement.body, iban=iban_of(bank_account(statement.gateway_account_id)))
        _keep_lines(statement, found, found_format=found_format)
    except BankFileRefused as refusal:
        _refuse(statement, refusal)
    return BankStatement.objects.get(id=statement_id)


def _keep_lines(statement: BankStatement, found: Iterable[AccountStatement], *, found_format: str) -> None:
    with transaction.atomic():
        _one_file_at_a_time(statement.gateway_account_id)
        locked = BankStatement.objects.select_for_update(no_key=True).get(id=statement.id)
        if locked.status != BankStatement.Status.RECEIVED:
            return
        lines = [line for one in found for line in one.lines]
        _refuse_other_format(locked, lines, found_format=found_format)
        rows = list(_rows(locked, lines))
        BankEntry.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_BATCH)
        BANK_STATEMENT.require(locked.status, BankStatement.Status.READ)
        locked.status, locked.format, locked.next_attempt_at = BankStatement.Status.READ, found_format, None
        locked.lines_read, locked.lines_new = len(rows), locked.entries.count()
        locked.save(update_fields=["status", "format", "next_attempt_at", "lines_read", "lines_new"])
        publish(BankStatementRead(locked.id, locked.gateway_account_id, locked.lines_read, locked.lines_new))
    log.info("bank_statement_read", statement_id=statement.id, lines=locked.lines_read, new=locked.lines_new)


def _one_file_at_a_time(account_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 4712))", [account_id])


def _refuse_other_format(statement: BankStatement, lines: list[Line], *, found_format: str) -> None:
    """The same line has other words in another format, so it would not be known again."""
    days = [line.booked_on for line in lines]
    if not days:
        return
    overlapping = BankEntry.objects.filter(
        gateway_account_id=statement.gateway_account_id, booked_on__range=(min(days), max(days))
    )
    if overlapping.exclude(statement__format=found_format).exists():
        raise BankFileRefused("other_format")


def _rows(statement: BankStatement, lines: Iterable[Line]) -> Iterator[BankEntry]:
    now, seen = database_now(), Counter[str]()
    for position, line in enumerate(lines, start=1):
        print_of_line = _fingerprint(line)
        seen[print_of_line] += 1
        yield BankEntry(
            statement=statement,
            gateway_account_id=statement.gateway_account_id,
            position=position,
            # Two that are alike in one file are two; the first of them is the first in every file.
            fingerprint=hashlib.sha256(f"{print_of_line}:{seen[print_of_line]}".encode()).hexdigest(),
            direction=BankEntry.Direction.CREDIT if line.is_credit else BankEntry.Direction.DEBIT,
            amount_minor=line.amount_minor,
            unallocated_minor=line.amount_minor,
            currency=line.currency,
            booked_on=line.booked_on,
            value_on=line.value_on,
            is_return=line.is_return,
            end_to_end_id=line.end_to_end_id.replace("\x00", ""),
            bank_reference=line.bank_reference,
            references=references_in(line.remittance, line.end_to_end_id),
            remittance=line.remittance,
            counterparty_name=line.name,
            counterparty_iban=line.iban,
            next_attempt_at=now,
        )


def _fingerprint(line: Line) -> str:
    content = [
        line.signed_minor, line.currency, line.booked_on.isoformat(), line.value_on.isoformat(), line.end_to_end_id,
        line.bank_reference, line.remittance, line.name, line.iban,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _refuse(statement: BankStatement, refusal: BankFileRefused) -> None:
    with transaction.atomic():
        locked = BankStatement.objects.select_for_update(no_key=True).get(id=statement.id)
        if locked.status != BankStatement.Status.RECEIVED:
            return
        BANK_STATEMENT.require(locked.status, BankStatement.Status.REFUSED)
        locked.status, locked.next_attempt_at = BankStatement.Status.REFUSED, None
        locked.failure_code, locked.failure_detail = refusal.code, refusal.detail[:200]
        locked.save(update_fields=["status", "next_attempt_at", "failure_code", "failure_detail"])
        publish(BankStatementRefused(locked.id, locked.gateway_account_id, refusal.code))
    log.warning("bank_statement_refused", statement_id=statement.id, code=refusal.code)
