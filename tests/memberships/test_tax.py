"""Which tax applies where, from when on."""

from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from memberships.invoices.drafting import TaxRule
from memberships.invoices.tax import forget_rates, tax_for
from memberships.models import TaxRate

pytestmark = pytest.mark.django_db


def rate(country: str, basis_points: int, starts_on: date) -> TaxRate:
    forget_rates()
    return TaxRate.objects.create(country=country, name="VAT", rate_basis_points=basis_points, starts_on=starts_on)


def test_the_newest_rate_that_has_begun_applies() -> None:
    rate("DE", 1900, date(2020, 1, 1))
    rate("DE", 1600, date(2020, 7, 1))
    rate("DE", 1900, date(2021, 1, 1))
    assert tax_for("DE", on=date(2020, 8, 1), is_inclusive=True) == TaxRule("DE", "VAT", 1600, is_inclusive=True)
    assert tax_for("DE", on=date(2021, 1, 1), is_inclusive=False) == TaxRule("DE", "VAT", 1900, is_inclusive=False)
    assert tax_for("DE", on=date(2019, 12, 31), is_inclusive=True) is None


def test_there_is_none_without_a_country_a_rate_or_once_it_ended() -> None:
    rate("FR", 2000, date(2020, 1, 1))
    rate("FR", 0, date(2022, 1, 1))
    assert tax_for("", on=date(2021, 1, 1), is_inclusive=True) is None
    assert tax_for("US", on=date(2021, 1, 1), is_inclusive=True) is None
    assert tax_for("FR", on=date(2022, 1, 1), is_inclusive=True) is None


def test_it_is_asked_for_once_in_two_seconds(queries_made: list[str]) -> None:
    rate("DE", 1900, date(2020, 1, 1))
    before = len(queries_made)
    for _time in range(5):
        tax_for("DE", on=date(2026, 1, 1), is_inclusive=True)
    assert len(queries_made) - before == 1


@pytest.mark.parametrize("wrong", [{"country": "de"}, {"country": "DEU"}, {"rate_basis_points": 10_001}])
def test_nonsense_is_refused_by_the_database(wrong: dict[str, object]) -> None:
    terms = {"country": "DE", "name": "VAT", "rate_basis_points": 1900, "starts_on": date(2026, 1, 1)} | wrong
    with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
        TaxRate.objects.create(**terms)
    assert not TaxRate.objects.exists()


def test_a_rate_is_never_deleted_and_there_is_one_a_day() -> None:
    made = rate("DE", 1900, date(2020, 1, 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        rate("DE", 1800, date(2020, 1, 1))
    with pytest.raises(DatabaseError, match="pgtrigger"), transaction.atomic():
        made.delete()
