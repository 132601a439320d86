"""``manage.py prepare_demo``: what `make run` does before it serves anything: migrate, then fill in the demo data."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Migrates the database and fills in the demo data."
    # The tables that the checks would look at may not be there yet; migrate makes its own.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=1, stdout=self.stdout)
        call_command("seed_demo", stdout=self.stdout)
