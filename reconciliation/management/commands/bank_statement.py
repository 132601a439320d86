"""``manage.py bank_statement``: read a bank's file now, settle its lines, and print what came of it."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from paycore.errors import PaycoreError
from paycore.money import Money
from reconciliation.banking.lines import BankFileRefused
from reconciliation.banking.matching import settle_entry
from reconciliation.banking.models import BankEntry, BankStatement
from reconciliation.banking.receiving import read_stored_file, store_bank_file

PIECE_BYTES = 1024 * 1024


class Command(BaseCommand):
    help = "Reads an MT940 or camt.053 file of a bank account, brings its lines to their payments and prints a summary."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--account", required=True, help="id of the gateway account, gwa_…")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            stored = store_bank_file(options["account"], _pieces(path), file_name=path.name)
        except (OSError, PaycoreError) as error:
            raise CommandError(f"{getattr(error, 'title', '')} {error}".strip()) from error
        statement = read_stored_file(stored.id)
        if statement.status == BankStatement.Status.REFUSED:
            text = BankFileRefused.CODES.get(statement.failure_code, statement.failure_code)
            raise CommandError(f"{text} {statement.failure_detail}".strip())
        for entry_id in statement.entries.filter(status="received").order_by("position").values_list("id", flat=True):
            settle_entry(entry_id)
        self._print(statement)

    def _print(self, statement: BankStatement) -> None:
        entries = list(statement.entries.order_by("position"))
        self.stdout.write(f"{statement.id} {statement.format}: {statement.lines_read} lines, {len(entries)} new")
        states = Counter(entry.question or entry.status for entry in entries)
        for state, count in sorted(states.items()):
            self.stdout.write(f"  {state}: {count}")
        for entry in entries:
            if entry.status == BankEntry.Status.OPEN:
                left = Money(entry.unallocated_minor, entry.currency)
                self.stdout.write(f"  {entry.id} {entry.direction} {entry.amount}: {entry.question}, {left} open")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
