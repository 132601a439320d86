"""``manage.py advance_clock usr_… --days 31``: in sandbox mode, let a user's time pass."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from paycore.clock import NotInSandbox, advance


class Command(BaseCommand):
    help = "Moves one subject's time forward (sandbox mode only)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", help="a user's id")
        parser.add_argument("--days", type=int, default=0)
        parser.add_argument("--hours", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            now = advance(subject=options["subject"], by=timedelta(days=options["days"], hours=options["hours"]))
        except NotInSandbox as error:
            raise CommandError("Only in sandbox mode (PAYCORE_SANDBOX_MODE=yes).") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['subject']} now lives at {now:%Y-%m-%d %H:%M} UTC")
