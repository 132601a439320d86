"""Stripe's report of what moved on its balance, day by day.

Made by the Reporting API: a run is asked for, is worked on, and ends in a CSV file. Nothing is remembered here between
calls; the list of runs is the memory. Sources: docs.stripe.com/reports/api and /reports/report-types/balance. By
default the balance report by day of the transaction; ``report_type`` chooses payout_reconciliation.itemized.5, whose
lines come on the day of their payout.
"""

import csv
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import IO, Any, ClassVar

from paycore.errors import PaycoreError
from paycore.money import Money
from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.contract import GatewayOutcomeUnknown
from payments.gateways.stripe.account import StripeAccount, malformed
from payments.gateways.stripe.json_words import NotUnderstood, Words, inner, number, text, whole

RUNS = "/v1/reporting/report_runs"
BY_DAY = "balance_change_from_activity.itemized.3"
COLUMNS = (
    "balance_transaction_id",
    "created",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "source_id",
    "customer_facing_amount",
    "customer_facing_currency",
    "charge_id",
    "payment_intent_id",
    "payment_metadata[reference]",
    "payment_metadata[capture]",
    "refund_metadata[reference]",
)
MAX_LINE_BYTES = 64 * 1024
_KINDS = {
    "charge": "take",
    "partial_capture_reversal": "other",
    "refund": "give_back",
    "refund_failure": "other",
}
"""By reporting_category; disputes, fees, payouts and the like are other."""


class Reporting(StripeAccount):
    statement_zone: ClassVar[str] = "UTC"
    statement_ready_after_seconds: ClassVar[int] = 12 * 3600

    def fetch_statement(self, day: date) -> bytes | None:
        """Asks for a run on the first call, answers None while Stripe works on it, then the CSV."""
        start = datetime.combine(day, time_of_day(), tzinfo=UTC)
        interval = (int(start.timestamp()), int((start + timedelta(days=1)).timestamp()))
        kind = self.configuration.settings.get("report_type", "") or BY_DAY
        try:
            runs = self._runs_of(kind, interval)
            done = next((run for run in runs if text(run, "status") == "succeeded"), None)
            if done is not None:
                return self._api.download(text(inner(done, "result"), "id"))
            if any(text(run, "status") != "failed" for run in runs):
                return None
            if self._is_available(kind, until=interval[1]):
                self._run(kind, interval, number_before=len(runs))
        except NotUnderstood as problem:
            raise malformed(problem) from None
        return None

    def read_statement(self, file: IO[bytes]) -> Iterator[StatementLine]:
        rows = csv.reader(_lines_of(file), strict=True)
        try:
            header = next(rows, [])
            places = {name: header.index(name) for name in COLUMNS if name in header}
            missing = [name for name in COLUMNS if name not in places]
            if missing or len(set(header)) != len(header):
                raise StatementUnreadable(f"no report of Stripe's: the columns {', '.join(missing) or 'repeat'}")
            for row in rows:
                if len(row) != len(header):
                    raise StatementUnreadable(f"line {rows.line_num} has {len(row)} cells, not {len(header)}")
                yield _line_of({name: row[place] for name, place in places.items()}, number=rows.line_num)
        except csv.Error as error:
            raise StatementUnreadable(f"line {rows.line_num}: {error}") from None

    def _runs_of(self, kind: str, interval: tuple[int, int]) -> list[Words]:
        """Newest first. A run of an interval cannot be older than its end."""
        found: list[Words] = []

        def note(run: Words) -> bool:
            parameters = inner(run, "parameters")
            is_same = (number(parameters, "interval_start"), number(parameters, "interval_end")) == interval
            if text(run, "report_type") == kind and is_same and parameters.get("columns") == list(COLUMNS):
                found.append(run)
            return False

        self._list(RUNS, {"created": {"gte": interval[1]}}, wanted=note)
        return found

    def _is_available(self, kind: str, *, until: int) -> bool:
        return whole(self._api.get(f"/v1/reporting/report_types/{kind}"), "data_available_end") >= until

    def _run(self, kind: str, interval: tuple[int, int], *, number_before: int) -> None:
        said: dict[str, Any] = {
            "report_type": kind,
            "parameters": {
                "interval_start": interval[0],
                "interval_end": interval[1],
                "timezone": "Etc/UTC",
                "columns": list(COLUMNS),
            },
        }
        run = self._api.post(RUNS, said, key=f"report-{kind}-{interval[0]}-{number_before}")
        if text(run, "object") != "reporting.report_run":
            raise GatewayOutcomeUnknown("the answer is no run of a report", code="malformed")


def _lines_of(file: IO[bytes]) -> Iterator[str]:
    """Never more than one line in memory, however long it claims to be."""
    for count in itertools.count(1):
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > MAX_LINE_BYTES:
            raise StatementUnreadable(f"line {count} is too long")
        try:
            yield line.decode("utf-8-sig" if count == 1 else "utf-8")
        except UnicodeDecodeError:
            raise StatementUnreadable(f"line {count} is not UTF-8") from None


def _line_of(row: dict[str, str], *, number: int) -> StatementLine:
    try:
        gross, fee, net = (_money(row[name], row["currency"]) for name in ("gross", "fee", "net"))
        amount, their_fee = gross, fee
        if row["customer_facing_amount"] and row["customer_facing_currency"].upper() != gross.currency:
            # Charged in another currency than it settles in: the fee cannot be said in that one.
            amount = _money(row["customer_facing_amount"], row["customer_facing_currency"])
            their_fee = Money.zero(amount.currency)
        occurred_at = _time(row["created"])
    except (PaycoreError, ValueError) as problem:
        raise StatementUnreadable(f"line {number}: {problem}") from None
    if gross - fee != net:
        raise StatementUnreadable(f"line {number}: {gross} less {fee} is not {net}")
    kind = _KINDS.get(row["reporting_category"], "other")
    if (kind == "take" and not gross.is_positive) or (kind == "give_back" and not gross.is_negative):
        raise StatementUnreadable(f"line {number}: a {row['reporting_category']} of {gross}")
    payment = row["payment_metadata[reference]"]
    own = row["payment_metadata[capture]"] or payment
    return StatementLine(
        kind=kind,
        reference=row["refund_metadata[reference]"] if kind == "give_back" else own,
        payment_reference=payment,
        amount_minor=abs(amount.minor),
        fee_minor=their_fee.minor,
        currency=amount.currency,
        gateway_reference=row["source_id"] if kind == "give_back" else row["payment_intent_id"] or row["source_id"],
        occurred_at=occurred_at,
    )


def _money(text_of_amount: str, currency: str) -> Money:
    return Money.from_major(text_of_amount.strip(), currency.strip().upper())


def _time(cell: str) -> datetime | None:
    return datetime.fromisoformat(cell).replace(tzinfo=UTC) if cell else None
