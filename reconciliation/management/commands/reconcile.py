"""``manage.py reconcile``: fetch and compare one day's statements now, and print what came of it."""

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.money import Money
from payments.gateways.contract import GatewayError
from payments.routing.models import GatewayAccount
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.services import reconcile_day
from reconciliation.statements.fetching import layout_for
from reconciliation.statements.models import Statement


class Command(BaseCommand):
    help = "Fetches statements, compares them with our records and prints a summary."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", help="id of one gateway account; all that give statements otherwise")
        parser.add_argument("--day", type=date.fromisoformat, help="like 2026-01-31; yesterday otherwise")
        parser.add_argument("--so-far", action="store_true", help="a day that is not over, today by default (sandbox)")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = GatewayAccount.objects.order_by("id")
        if options["account"]:
            accounts = accounts.filter(id=options["account"])
        chosen = [(account, layout) for account in accounts if (layout := layout_for(account)) is not None]
        if not chosen:
            raise CommandError("No such gateway account gives statements.")
        problems = 0
        for account, layout in chosen:
            today = layout.today(database_now())
            day = options["day"] or (today if options["so_far"] else today - timedelta(days=1))
            try:
                statement = reconcile_day(account.id, day, so_far=options["so_far"])
            except (PaycoreError, GatewayError) as error:
                problems += 1
                self.stdout.write(f"{account.name} {day}: {getattr(error, 'title', '')} {error}".rstrip())
                continue
            self._print(statement)
        if problems:
            raise CommandError(f"{problems} of {len(chosen)} statements could not be compared.")

    def _print(self, statement: Statement) -> None:
        self.stdout.write(f"{statement.gateway_account.name} {statement.day}: {statement.get_status_display()}")
        if statement.status == Statement.Status.EXPECTED:
            self.stdout.write(f"  not received ({statement.last_problem or 'not asked for yet'})")
        if statement.failure_code:
            self.stdout.write(f"  {statement.failure_code} in line {statement.failure_line}")
        self.stdout.write(f"  lines {statement.lines_read}, matched {statement.matched_lines}")
        for side, name in (("theirs", "statement"), ("ours", "our books")):
            for currency, total in sorted(statement.totals.get(side, {}).items()):
                taken, back = Money(total["taken_minor"], currency), Money(total["given_back_minor"], currency)
                fee = Money(total["fee_minor"], currency)
                self.stdout.write(f"  {name}: {total['count']} records, taken {taken}, given back {back}, fees {fee}")
        for row in statement.discrepancies.order_by("id")[:50]:
            self.stdout.write(f"  {row.id} {_what(row)} {row.reference}: {row.get_status_display()}")
        self.stdout.write(f"  discrepancies unresolved: {_unresolved(statement)}")


def _what(row: Discrepancy) -> str:
    return f"{row.kind}/{row.aspect}" if row.aspect else row.kind


def _unresolved(statement: Statement) -> int:
    return statement.discrepancies.exclude(status=Discrepancy.Status.RESOLVED).count()
