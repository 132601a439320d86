"""``manage.py demo``: plays the story against the running server, act by act, and ends loudly where it goes wrong."""

import json
import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from paycore.demo.acts import all_acts
from paycore.demo.stage import Stage


class Command(BaseCommand):
    help = "Plays the demo story against the server that `make run` started."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("acts", nargs="*", help="only these acts, by name (see the list that --list prints)")
        parser.add_argument("--list", action="store_true", help="name the acts and stop")

    def handle(self, *args: Any, **options: Any) -> None:
        acts = all_acts()
        if options["list"]:
            for found in acts:
                self.stdout.write(f"{found.name:<16} {found.title}")
            return
        if not settings.PAYCORE_SANDBOX_MODE:
            raise CommandError("The story spends play money: sandbox mode only (PAYCORE_SANDBOX_MODE=yes).")
        unknown = set(options["acts"]) - {found.name for found in acts}
        if unknown:
            raise CommandError(f"No such act: {', '.join(sorted(unknown))}. See --list.")
        logging.getLogger().setLevel(logging.WARNING)  # the story is told once
        stage = Stage(settings.PAYCORE_BASE_URL, out=self.stdout, seeded=_seeded())
        for found in acts:
            if not options["acts"] or found.name in options["acts"]:
                self.stdout.write(self.style.MIGRATE_HEADING(found.title))
                found.play(stage)


def _seeded() -> dict[str, Any]:
    path = Path(settings.STATE_DIR) / "demo.json"
    if not path.exists():
        raise CommandError("There is no demo data here; `make run` or `manage.py seed_demo` makes it.")
    document: dict[str, Any] = json.loads(path.read_text())
    return document
