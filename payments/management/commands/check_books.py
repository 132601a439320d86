"""``manage.py check_books``: run the invariants; exit code 1 when one is broken."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.ledger.invariants import INVARIANTS, run_checks


class Command(BaseCommand):
    help = "Checks the invariants J1 to J9 of the books and prints what is broken."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = run_checks()
        broken = {finding.code for finding in findings}
        for invariant in INVARIANTS:
            mark = self.style.ERROR("BROKEN") if invariant.code in broken else self.style.SUCCESS("ok")
            self.stdout.write(f"{invariant.code}  {mark}  {invariant.promise}")
        for finding in findings:
            self.stdout.write(f"{finding.code}: {finding.count} rows, for example {', '.join(finding.examples)}")
        if findings:
            raise CommandError(f"{len(findings)} invariants are broken.")
