"""The page about facts says what the code says."""

from pathlib import Path

from django.conf import settings
from django.utils import translation

from riskcontrol.facts import FACTS
from riskcontrol.management.commands.list_facts import facts_page


def test_the_page_of_facts_is_as_its_command_writes_it() -> None:
    with translation.override("en"):
        expected = facts_page()
    written = Path(settings.BASE_DIR, "docs", "risk-facts.md").read_text("utf-8")
    assert written == expected, "renew it: manage.py list_facts > docs/risk-facts.md"


def test_facts_have_names_of_their_own() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS)
