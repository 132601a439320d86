"""``manage.py list_facts``: what rules can read, as the text of ``docs/risk-facts.md``."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation

from riskcontrol.facts import FACTS

_INTRODUCTION = """\
# Facts that rules can read

Written by `manage.py list_facts > docs/risk-facts.md`, which reads the code; do not edit by hand.
How rules work: [risk.md](risk.md).

| fact | type | meaning | example |
|---|---|---|---|
"""


class Command(BaseCommand):
    help = "Prints every fact that rules can read, as Markdown."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            self.stdout.write(facts_page(), ending="")


def facts_page() -> str:
    """The text of ``docs/risk-facts.md`` in the active language."""
    rows = (f"| `{fact.name}` | {fact.type} | {fact.meaning} | `{fact.example}` |\n" for fact in FACTS)
    return _INTRODUCTION + "".join(rows)
