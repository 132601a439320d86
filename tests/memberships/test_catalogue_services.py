"""Versions and prices are added, never edited; nothing is deleted."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from memberships.catalogue.known import newest_version
from memberships.catalogue.services import (
    AnotherPriceOnSale,
    InvalidTerms,
    Offer,
    PlanArchived,
    Terms,
    UnknownFeature,
    VersionUnchanged,
    add_price,
    archive_plan,
    archive_price,
    publish_version,
    restore_plan,
    restore_price,
)
from memberships.models import Feature, Plan, PlanVersion, Price, Tier
from paycore.errors import NotFound
from paycore.money import CurrencyMismatch, InvalidAmount, Money
from tests.memberships.factories import make_feature, make_plan, make_price

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan() -> Plan:
    make_feature("support", kind=Feature.Kind.SWITCH)
    make_feature("old", is_active=False)
    return make_plan("premium", features={"exports": 10})


def test_a_new_version_is_what_the_plan_gives_now(plan: Plan, django_capture_on_commit_callbacks: Any) -> None:
    assert newest_version(plan.id).number == 1
    with django_capture_on_commit_callbacks(execute=True):
        made = publish_version(plan.id, Terms({"support": None, "exports": 20}, seats_included=1, seats_most=3))

    assert (made.number, newest_version(plan.id)) == (2, made)
    assert PlanVersion.objects.get(plan=plan, number=1).features == {"exports": 10}


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (Terms({"exports": 10}), VersionUnchanged),
        (Terms({"unknown": 1}), UnknownFeature),
        (Terms({"old": 1}), UnknownFeature),
        (Terms({"support": 1}), InvalidTerms),
        (Terms({"exports": -1}), InvalidTerms),
        (Terms({"exports": 10**12 + 1}), InvalidTerms),
        (Terms({}, seats_included=0), InvalidTerms),
        (Terms({}, seats_included=3, seats_most=2), InvalidTerms),
        (Terms({}, seats_most=10_001), InvalidTerms),
    ],
    ids=str,
)
def test_an_impossible_version_is_not_published(plan: Plan, terms: Terms, error: type[Exception]) -> None:
    with pytest.raises(error):
        publish_version(plan.id, terms)
    assert PlanVersion.objects.count() == 1


def test_a_price_replaces_only_the_one_of_its_interval_and_currency(plan: Plan) -> None:
    month, year = make_price(plan, 999), make_price(plan, 9990, interval="year")
    euros, two = make_price(plan, 899, "EUR"), make_price(plan, 1899, interval_count=2)

    new = add_price(plan.id, Offer(Money(1199, "USD"), setup_fee=Money(100, "USD"), seat_amount=Money(0, "USD")))

    on_sale = set(Price.objects.filter(is_active=True).values_list("id", flat=True))
    assert on_sale == {year.id, euros.id, two.id, new.id}
    assert not Price.objects.get(id=month.id).is_active


@pytest.mark.parametrize(
    ("offer", "error"),
    [
        (Offer(Money(0, "USD")), InvalidAmount),
        (Offer(Money(-1, "USD")), InvalidAmount),
        (Offer(Money(10**13 + 1, "USD")), InvalidAmount),
        (Offer(Money(1, "USD"), setup_fee=Money(-1, "USD")), InvalidAmount),
        (Offer(Money(1, "USD"), seat_amount=Money(1, "EUR")), CurrencyMismatch),
        (Offer(Money(1, "USD"), interval="hour"), InvalidTerms),
        (Offer(Money(1, "USD"), interval_count=0), InvalidTerms),
        (Offer(Money(1, "USD"), interval_count=367), InvalidTerms),
        (Offer(Money(1, "USD"), trial_days=731), InvalidTerms),
        (Offer(Money(1, "USD"), trial_days=-1), InvalidTerms),
    ],
    ids=str,
)
def test_an_impossible_price_is_not_put_on_sale(plan: Plan, offer: Offer, error: type[Exception]) -> None:
    old = make_price(plan, 999)
    with pytest.raises(error):
        add_price(plan.id, offer)
    assert list(Price.objects.values_list("id", "is_active")) == [(old.id, True)]


def test_what_is_archived_comes_back_as_it_was(plan: Plan) -> None:
    price = make_price(plan, 999)
    for _time in range(2):
        archive_plan(plan.id)
    with pytest.raises(PlanArchived):
        add_price(plan.id, Offer(Money(1199, "USD")))
    archive_price(price.id)
    with pytest.raises(PlanArchived):
        restore_price(price.id)

    for _time in range(2):
        restore_plan(plan.id)
        restore_price(price.id)

    plan.refresh_from_db()
    assert (plan.is_active, plan.archived_at) == (True, None)
    assert Price.objects.get().is_active


def test_two_prices_of_one_interval_are_never_on_sale_together(plan: Plan) -> None:
    old = make_price(plan, 999, is_active=False)
    new = make_price(plan, 1199)
    with pytest.raises(AnotherPriceOnSale):
        restore_price(old.id)
    assert list(Price.objects.filter(is_active=True)) == [new]


@pytest.mark.parametrize("deed", [archive_plan, restore_plan, archive_price, restore_price])
def test_what_there_is_not_cannot_be_archived(deed: Any) -> None:
    with pytest.raises(NotFound):
        deed("pln_unknown")


def test_the_database_refuses_what_the_services_never_do(plan: Plan) -> None:
    price = make_price(plan, 999)
    for rows, change in (
        (Price.objects.filter(id=price.id), {"amount_minor": 1}),
        (Price.objects.filter(id=price.id), {"interval": "year"}),
        (PlanVersion.objects.filter(plan=plan), {"features": {}}),
        (Plan.objects.filter(id=plan.id), {"code": "other"}),
    ):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            rows.update(**change)
    for row in (price, plan.versions.get(), plan, plan.tier, Feature.objects.first()):
        with pytest.raises(DatabaseError, match=r"Cannot (update or )?delete"), transaction.atomic():
            type(row)._base_manager.filter(pk=row.pk)._raw_delete("default")  # type: ignore[union-attr]  # there is one
    assert Tier.objects.count() == 1
