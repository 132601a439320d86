"""``manage.py draw_states``: every state machine as a picture, as the text of ``docs/states.md``."""

from typing import Any

from django.core.management.base import BaseCommand

from paycore.management.project_modules import project_modules
from paycore.states import StateTable

_INTRODUCTION = """\
# States

Written by `manage.py draw_states` from the tables that drive the code and the database's triggers; do not edit by hand:
`manage.py draw_states > docs/states.md`. What each state means is said in [architecture.md](architecture.md#states).

A state with an arrow to the end is final: nobody waits for it any more. It may still have successors, for a payment
that was given up can turn out to have been paid.
"""


class Command(BaseCommand):
    help = "Prints every state table as a Mermaid diagram in Markdown."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(states_page(), ending="")


def states_page() -> str:
    """The text of ``docs/states.md``."""
    sections = [_INTRODUCTION]
    for place, table in state_tables():
        sections.append(f"## {table.name.capitalize()}\n\n`{place}`\n\n```mermaid\n{table.mermaid()}\n```\n")
    return "\n".join(sections)


def state_tables() -> list[tuple[str, StateTable]]:
    """Every table with the file it is in."""
    found: list[tuple[str, StateTable]] = []
    for module in project_modules(named="transitions"):
        place = module.__name__.replace(".", "/") + ".py"
        found += [(place, value) for value in vars(module).values() if isinstance(value, StateTable)]
    return found
