"""What a machine may do about a discrepancy by itself: bring a success to the door, book unknown money to suspense."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from paycore.claims import claim_due
from paycore.errors import NotFound, PaycoreError
from payments.gateways.contract import GatewayError, Outcome, PaymentResult, RefundResult
from payments.orders.charging import record_payment_result
from payments.orders.models import Capture, Evidence, Payment, Refund
from payments.orders.refunds import record_refund_result
from payments.routing.connections import fetch_payment
from payments.routing.services import get_account
from reconciliation.discrepancies.bookkeeping import enter_suspense
from reconciliation.discrepancies.closing import close_if_done, lock_discrepancy, resolve
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.statements.fetching import layout_for
from reconciliation.statements.files import newest_file
from reconciliation.statements.layouts import TAKE, Layout
from reconciliation.statements.models import Statement
from reconciliation.statements.readings import picked_lines
from riskcontrol.cases import open_case
from riskcontrol.models import Case

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5

Line = Mapping[str, str]


def settle_due(*, limit: int) -> int:
    """Take discrepancies that the machine has something to do about; how many there were."""
    ids = claim_due(Discrepancy, lease=LEASE, limit=limit)
    found = Discrepancy.objects.select_related("statement").filter(id__in=ids)
    rows = list(found.order_by("statement_id", "line_number"))
    lines = _lines_of(rows)
    for row in rows:
        try:
            settle(row.id, line=lines.get((row.statement_id, row.line_number or 0), {}))
        except (PaycoreError, IntegrityError) as error:
            # One line that contradicts our rows (another payment has its gateway's reference, say) stops no other.
            log.warning("discrepancy_not_settled", discrepancy_id=row.id, error=type(error).__name__)
            _postpone(row)
    return len(rows)


def settle(discrepancy_id: str, *, line: Line) -> Discrepancy:
    """``line`` is the statement's line by column name; empty when it could not be read again."""
    row = Discrepancy.objects.filter(id=discrepancy_id).select_related("statement").first()
    if row is None:
        raise NotFound
    if row.status != Discrepancy.Status.OPEN:
        return _finish(row)
    if row.aspect == Discrepancy.Aspect.UNKNOWN:
        return _take_in(row)
    if row.aspect == Discrepancy.Aspect.NOT_SUCCEEDED and row.subject_id:
        _bring_to_door(row, _Said(row, line))
    return _finish(row)


class _Said:
    """What the line says, in the gateway contract's terms."""

    def __init__(self, row: Discrepancy, line: Line) -> None:
        layout = _layout(row.statement)
        self.gateway_reference = line.get(layout.gateway_reference, "")[:128]
        self.occurred_at = _time(line.get(layout.occurred_at, ""))
        self.is_take = layout.kinds.get(line.get(layout.kind, ""), TAKE) == TAKE
        self.amount_minor = abs(row.their_amount_minor or 0)
        self.fee_minor = row.their_fee_minor
        self.currency = row.their_currency


def _bring_to_door(row: Discrepancy, said: _Said) -> None:
    if row.reference not in (row.subject_id, ""):
        _ask_about_part(row)
        return
    with transaction.atomic():
        _tell(row, said)


def _tell(row: Discrepancy, said: _Said) -> None:
    if row.subject_id.startswith("ref_"):
        record_refund_result(
            row.subject_id,
            RefundResult(
                reference=row.subject_id,
                outcome=Outcome.SUCCEEDED,
                gateway_reference=said.gateway_reference,
                amount_minor=said.amount_minor,
                currency=said.currency,
                occurred_at=said.occurred_at,
            ),
            source=Evidence.Source.STATEMENT,
        )
    else:
        record_payment_result(
            row.subject_id,
            PaymentResult(
                reference=row.subject_id,
                outcome=Outcome.SUCCEEDED,
                gateway_reference=said.gateway_reference,
                amount_minor=said.amount_minor,
                currency=said.currency,
                captured_minor=said.amount_minor,
                fee_minor=said.fee_minor,
                occurred_at=said.occurred_at,
            ),
            source=Evidence.Source.STATEMENT,
        )


def _ask_about_part(row: Discrepancy) -> None:
    """A line about one capture does not say what was taken in all, and the door's evidence must: so the gateway is
    asked, because of the statement."""
    payment = Payment.objects.filter(id=row.subject_id).first()
    account = get_account(row.gateway_account_id)
    if payment is None or account is None:
        raise NotFound
    try:
        result = fetch_payment(
            account,
            payment.id,
            gateway_reference=payment.gateway_reference,
            method=payment.method,
            has_ended=payment.is_final,
        )
    except GatewayError as error:
        log.warning("statement_line_not_confirmed", discrepancy_id=row.id, reason=error.code or type(error).__name__)
        return
    record_payment_result(payment.id, result, source=Evidence.Source.STATEMENT)


def _take_in(row: Discrepancy) -> Discrepancy:
    with transaction.atomic():
        row = lock_discrepancy(row.id)
        if row.status == Discrepancy.Status.OPEN and not row.is_in_suspense:
            enter_suspense(row)
            facts = {
                "reference": row.reference,
                "account": row.gateway_account_id,
                "day": row.day.isoformat(),
                "amount_minor": row.their_amount_minor,
                "currency": row.their_currency,
            }
            open_case(kind=Case.Kind.UNKNOWN_PAYMENT, object_id=row.id, facts=facts)
        _rest(row)
    return row


def _finish(row: Discrepancy) -> Discrepancy:
    """Resolved when both sides agree by now; else asked again a few times, and then left to people."""
    with transaction.atomic():
        row = lock_discrepancy(row.id)
        if row.status == Discrepancy.Status.OPEN and _agrees_now(row):
            resolve(row, resolution=Discrepancy.Resolution.DOOR)
            close_if_done(row.statement)
        elif row.attempts + 1 >= MAX_ATTEMPTS or row.status != Discrepancy.Status.OPEN or not _is_part(row):
            _rest(row)
        else:
            row.attempts += 1
            row.save(update_fields=["attempts"])
    return row


def _postpone(row: Discrepancy) -> None:
    """Again when the lease is over, a few times; then it is left to people."""
    attempts = row.attempts + 1
    changes = {"attempts": attempts} | ({"next_attempt_at": None} if attempts >= MAX_ATTEMPTS else {})
    Discrepancy.objects.filter(id=row.id, status=Discrepancy.Status.OPEN).update(**changes)


def _rest(row: Discrepancy) -> None:
    row.next_attempt_at = None
    row.save(update_fields=["next_attempt_at"])


def _is_part(row: Discrepancy) -> bool:
    return row.reference.startswith("cap_")


def _agrees_now(row: Discrepancy) -> bool:
    if row.reference.startswith("ref_"):
        refund = Refund.objects.get(id=row.subject_id)
        return refund.status == Refund.Status.SUCCEEDED and _is_said(row, -refund.amount_minor, refund.currency)
    if _is_part(row):
        capture = Capture.objects.select_related("payment").get(id=row.reference)
        return capture.status == "succeeded" and _is_said(row, capture.amount_minor, capture.payment.currency)
    payment = Payment.objects.get(id=row.subject_id)
    return payment.status == Payment.Status.SUCCEEDED and _is_said(row, payment.captured_minor, payment.currency)


def _is_said(row: Discrepancy, amount_minor: int, currency: str) -> bool:
    return (row.their_amount_minor, row.their_currency) == (amount_minor, currency)


def _lines_of(rows: list[Discrepancy]) -> dict[tuple[str, int], Line]:
    """Each statement's file is read once for all of its rows."""
    found: dict[tuple[str, int], Line] = {}
    for statement in {row.statement for row in rows if row.aspect == Discrepancy.Aspect.NOT_SUCCEEDED}:
        numbers = {row.line_number for row in rows if row.statement == statement and row.line_number}
        found |= {(statement.id, number): line for number, line in lines_of(statement, numbers=numbers).items()}
    return found


def lines_of(statement: Statement, *, numbers: set[int]) -> dict[int, dict[str, str]]:
    """Whole lines of the newest file, by number and column name."""
    file = newest_file(statement)
    return picked_lines(statement, file, _layout(statement), numbers=numbers) if file is not None and numbers else {}


def _layout(statement: Statement) -> Layout:
    account = get_account(statement.gateway_account_id)
    layout = layout_for(account) if account is not None else None
    if layout is None:
        raise NotFound
    return layout


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
