"""What is for sale, as everybody may read it."""

from typing import Any

import pytest
from django.test import Client

from memberships.catalogue.currencies import guess_currency
from memberships.catalogue.services import archive_plan, restore_plan
from memberships.models import Feature, Plan
from tests.actors import AppUser
from tests.memberships.factories import make_feature, make_plan, make_price

pytestmark = pytest.mark.django_db


@pytest.fixture
def premium() -> Plan:
    """On sale beside the free plan, in dollars by month and year and in yuan by month."""
    make_feature("exports", name_en="Exports", name_zh="导出", reset=Feature.Reset.MONTH)
    make_plan("free", features={"exports": 3})
    plan = make_plan("premium", features={"exports": 100}, seats=(2, 4))
    make_price(plan, 19900, interval="year")
    make_price(plan, 1999, trial_days=14, setup_fee_minor=500, seat_amount_minor=300)
    make_price(plan, 12800, "CNY")
    return plan


def plans(**headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = Client(headers=headers).get("/api/v1/plans").json()
    return answer


def test_plans_are_listed_by_tier_with_what_they_give_and_cost(premium: Plan) -> None:
    answer = plans()
    free, paid = answer["data"]

    assert answer["currency"] == "USD"
    assert (free["code"], free["availability"], free["prices"]) == ("free", "free", [])
    assert (paid["id"], paid["rank"], paid["tier"]["code"]) == (premium.id, 1, "premium")
    assert paid["features"] == [
        {"code": "exports", "name": "Exports", "kind": "metered", "limit": 100, "reset": "month"}
    ]
    assert paid["seats"] == {"included": 2, "most": 4}
    assert [(price["interval"], price["amount_minor"]) for price in paid["prices"]] == [
        ("month", 1999),
        ("year", 19900),
    ]
    month = paid["prices"][0]
    assert (month["trial_days"], month["setup_fee_minor"], month["seat_amount_minor"]) == (14, 500, 300)


def test_plans_speak_the_callers_language(premium: Plan) -> None:
    paid = plans(accept_language="zh-CN")["data"][1]

    assert (paid["name"], paid["tier"]["name"], paid["features"][0]["name"]) == ("高级版", "高级版", "导出")
    assert (paid["currency"], paid["prices"][0]["amount_minor"]) == ("CNY", 12800)


def test_a_plan_without_a_price_in_the_currency_says_so(premium: Plan) -> None:
    paid = Client().get("/api/v1/plans?currency=JPY").json()["data"][1]

    assert (paid["availability"], paid["prices"], paid["currencies"]) == ("not_in_currency", [], ["CNY", "USD"])


def test_only_prices_of_an_interval_are_shown_when_one_is_asked_for(premium: Plan) -> None:
    paid = Client().get("/api/v1/plans?interval=year").json()["data"][1]

    assert [price["interval"] for price in paid["prices"]] == ["year"]


def test_a_signed_in_user_sees_their_own_currency(premium: Plan, app_user: AppUser) -> None:
    app_user.user.currency = "CNY"
    app_user.user.save(update_fields=["currency"])

    answer = app_user.get("/plans")

    assert answer.json()["currency"] == "CNY"
    assert answer["Cache-Control"] == "private, max-age=60"


def test_a_plan_is_found_by_id_and_by_code(premium: Plan) -> None:
    by_id, by_code = (Client().get(f"/api/v1/plans/{one}") for one in (premium.id, "premium"))

    assert by_id.json() == by_code.json()
    assert by_id.json()["name"] == "Premium"
    assert Client().get("/api/v1/plans/unknown").status_code == 404


def test_an_archived_plan_is_not_for_sale_until_it_is_restored(
    premium: Plan, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        archive_plan(premium.id)
    assert [plan["code"] for plan in plans()["data"]] == ["free"]
    assert Client().get("/api/v1/plans/premium").status_code == 404

    with django_capture_on_commit_callbacks(execute=True):
        restore_plan(premium.id)
    assert [plan["code"] for plan in plans()["data"]] == ["free", "premium"]


def test_what_did_not_change_is_not_sent_again(premium: Plan) -> None:
    first = Client().get("/api/v1/plans")
    again = Client(headers={"if-none-match": first["ETag"]}).get("/api/v1/plans")
    other = Client(headers={"if-none-match": first["ETag"]}).get("/api/v1/plans?currency=CNY")

    assert first["Cache-Control"] == "public, max-age=60"
    assert "Accept-Language" in first["Vary"]
    assert "Authorization" in first["Vary"]
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200


def test_plans_are_read_without_a_query_for_each(premium: Plan, queries_made: list[str]) -> None:
    plans()
    first = len(queries_made)
    plans()

    assert first == 4
    assert len(queries_made) == first


@pytest.mark.parametrize(
    "query", ["currency=XXX", "currency=usd", "currency=", "interval=hour", "interval=", "price=1", "currency=%00"]
)
def test_a_senseless_question_is_refused(premium: Plan, query: str) -> None:
    assert Client().get(f"/api/v1/plans?{query}").status_code == 400


@pytest.mark.parametrize(
    ("wanted", "currency"),
    [
        ("zh-CN,zh;q=0.9", "CNY"),
        ("zh", "CNY"),
        ("de", "EUR"),
        ("de-CH,de;q=0.5", "EUR"),
        ("en-GB,en;q=0.8", "USD"),
        ("xx-XX", "USD"),
        ("*", "USD"),
        ("", "USD"),
        ("\x00;q=x," * 50, "USD"),
    ],
)
def test_a_language_hints_at_a_currency_that_is_sold(wanted: str, currency: str) -> None:
    assert guess_currency(wanted, on_sale={"USD", "EUR", "CNY"}) == currency


def test_a_currency_is_guessed_even_where_dollars_are_not_sold() -> None:
    assert guess_currency("en", on_sale={"EUR", "JPY"}) == "EUR"
    assert guess_currency("ja", on_sale={"EUR", "JPY"}) == "JPY"
    assert guess_currency("en", on_sale=set()) == "USD"
