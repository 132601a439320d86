"""A moment that a person reads says its time zone."""

from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.utils import translation
from django.utils.formats import localize

from paycore.sites.pages import moment

AT = datetime(2026, 11, 22, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "written"), [("en", "22 Nov 2026, 05:24 UTC"), ("zh-hans", "2026年11月22日 05:24 UTC")]
)
def test_moments_say_their_zone_in_both_languages(language: str, written: str) -> None:
    with translation.override(language):
        assert localize(AT, use_l10n=True) == written
        assert Template('{{ at|date:"DATETIME_FORMAT" }}').render(Context({"at": AT})) == written


def test_panels_say_it_too() -> None:
    assert "2026-11-22 05:24:00 UTC" in str(moment(AT))
