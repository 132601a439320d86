"""``manage.py check_memberships``: look at every membership there ever was; exit code 1 when something is broken."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memberships.checks import INVARIANTS, run_all_checks


class Command(BaseCommand):
    help = "Checks the invariants J10 and M1 to M5 of all memberships and prints what is broken."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = run_all_checks()
        broken = {(finding.code, finding.promise) for finding in findings}
        for invariant in INVARIANTS:
            is_broken = (invariant.code, invariant.promise) in broken
            mark = self.style.ERROR("BROKEN") if is_broken else self.style.SUCCESS("ok")
            self.stdout.write(f"{invariant.code:4} {mark}  {invariant.promise}")
        for finding in findings:
            self.stdout.write(f"{finding.code}: {finding.count} rows, for example {', '.join(finding.examples)}")
        if findings:
            raise CommandError(f"{len(findings)} invariants are broken.")
