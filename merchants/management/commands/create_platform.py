"""``manage.py create_platform``: the merchant that is the company itself, which sells its own memberships."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from merchants.services import create_platform
from paycore.countries import COUNTRIES
from paycore.errors import PaycoreError
from paycore.money import CURRENCIES


class Command(BaseCommand):
    help = "Creates the platform's own merchant, approved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what payers see")
        parser.add_argument("--legal-name", required=True)
        parser.add_argument("--country", required=True, choices=sorted(COUNTRIES), metavar="CODE", help="like DE")
        parser.add_argument("--currency", required=True, choices=sorted(CURRENCIES), metavar="CODE", help="like EUR")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            platform = create_platform(
                name=options["name"],
                legal_name=options["legal_name"],
                country=options["country"],
                home_currency=options["currency"],
            )
        except PaycoreError as refusal:
            raise CommandError(str(refusal.title)) from refusal
        self.stdout.write(platform.id)
