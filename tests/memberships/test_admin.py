"""What is for sale, as staff change it."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from memberships.models import Feature, Plan, PlanVersion, Price, Tier
from tests.memberships.factories import make_catalogue, make_feature, make_plan, make_price
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def plan() -> Plan:
    make_feature("support", kind=Feature.Kind.SWITCH)
    make_feature("projects", kind=Feature.Kind.LIMIT)
    return make_plan("premium", features={"exports": 10})


def page(row: Any, action: str = "change") -> str:
    return reverse(f"ops:memberships_{row._meta.model_name}_{action}", args=[quote(row.pk)])


def listed(model: Any, action: str = "changelist") -> str:
    return reverse(f"ops:memberships_{model._meta.model_name}_{action}")


def deed(row: Any, name: str) -> str:
    return reverse(f"ops:memberships_{row._meta.model_name}_{name}", args=[quote(row.pk)])


def do(client: Client, row: Any, name: str) -> None:
    assert client.post(deed(row, name), {"_form_submitted": "on"}).status_code == 302


def version_form(plan: Plan, **values: str) -> dict[str, str]:
    """``given_CODE`` and ``limit_CODE`` as on the page."""
    form = {"seats_included": "1", "seats_most": "1", "seen": str(plan.versions.count())}
    ids = dict(Feature.objects.values_list("code", "id"))
    for name, value in values.items():
        kind, underscore, code = name.partition("_")
        form[f"{kind}_{ids[code]}" if underscore and code in ids else name] = value
    return form


def price_form(plan: Plan, /, **values: str) -> dict[str, str]:
    form = {"plan": plan.id, "amount": "12.50", "currency": "USD", "interval": "month", "interval_count": "1"}
    return form | {"trial_days": "0", "setup_fee": "", "seat_amount": "0", "is_tax_inclusive": "on"} | values


def test_everything_on_sale_is_listed_searched_and_shown(ops: Client) -> None:
    make_catalogue()
    for model, term, filters in (
        (Tier, "premium", {"rank": "1"}),
        (Feature, "exports", {"kind__exact": "metered", "reset__exact": "period"}),
        (Plan, "premium", {"is_active__exact": "1"}),
        (Price, "premium", {"interval__exact": "month", "currency": "USD"}),
    ):
        row = model._default_manager.last()
        assert ops.get(listed(model)).status_code == 200
        text = ops.get(listed(model), {"q": term, **filters}).content.decode()
        assert "premium" in text.lower() or term in text
        assert ops.get(page(row)).status_code == 200
        assert ops.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    assert "$19.99 / month" in ops.get(listed(Plan)).content.decode()


def test_a_plan_is_added_then_filled_then_priced(ops: Client) -> None:
    make_feature("exports")
    tier = Tier.objects.create(code="gold", name_en="Gold", name_zh="黄金", rank=7)
    names = {"name_en": "Gold", "name_zh": "黄金", "tier": tier.id, "code": "gold"}

    answer = ops.post(listed(Plan, "add"), names)
    plan = Plan.objects.get(code="gold")
    assert answer["Location"] == deed(plan, "publish")
    assert "No version yet" in ops.get(listed(Plan)).content.decode()

    assert ops.post(deed(plan, "publish"), version_form(plan, given_exports="on", limit_exports="5")).status_code == 302
    assert ops.post(listed(Price, "add"), price_form(plan)).status_code == 302

    data = Client().get("/api/v1/plans").json()["data"]
    assert [(one["code"], one["features"][0]["limit"], one["prices"][0]["amount_minor"]) for one in data] == [
        ("gold", 5, 1250)
    ]


def test_a_plan_is_renamed_and_its_code_and_tier_stay(ops: Client, plan: Plan) -> None:
    other = Tier.objects.create(code="other", name_en="x", name_zh="x", rank=8)

    ops.post(page(plan), {"name_en": "Premium+", "name_zh": "高级", "code": "x", "tier": other.id})

    plan.refresh_from_db()
    assert (plan.name_en, plan.code, plan.tier.code) == ("Premium+", "premium", "premium")


def test_a_version_is_published_from_a_table_of_features(ops: Client, plan: Plan) -> None:
    shown = ops.get(deed(plan, "publish")).content.decode()
    assert 'value="10"' in shown

    form = version_form(plan, given_exports="on", given_support="on", given_projects="on", limit_projects="3")
    ops.post(deed(plan, "publish"), form | {"seats_included": "2", "seats_most": "4"})

    newest = plan.versions.order_by("-number")[0]
    assert (newest.number, newest.features) == (2, {"exports": None, "projects": 3, "support": None})
    assert (newest.seats_included, newest.seats_most) == (2, 4)
    assert PlanVersion.objects.get(plan=plan, number=1).features == {"exports": 10}
    assert "exports: 10" in ops.get(page(plan)).content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit_exports": "-1"},
        {"limit_exports": "many"},
        {"limit_exports": "10000000000000"},
        {"limit_projects": "3"},
        {"seats_included": "5", "seats_most": "4"},
        {"seats_included": "0"},
        {"seats_most": "10001"},
        {"seen": "0"},
        {"seen": ""},
        {"limit_exports": "10"},
    ],
    ids=str,
)
def test_an_impossible_or_stale_version_is_not_published(ops: Client, plan: Plan, wrong: dict[str, str]) -> None:
    answer = ops.post(deed(plan, "publish"), version_form(plan, **({"given_exports": "on"} | wrong)))

    assert answer.status_code == 200
    assert PlanVersion.objects.count() == 1


def test_a_new_price_takes_the_place_of_the_old_one(ops: Client, plan: Plan) -> None:
    old, yearly = make_price(plan, 999), make_price(plan, 9990, interval="year")

    more = {"setup_fee": "5", "seat_amount": "2.25", "trial_days": "14"}
    assert ops.post(listed(Price, "add"), price_form(plan, **more)).status_code == 302

    old.refresh_from_db()
    yearly.refresh_from_db()
    new = Price.objects.get(amount_minor=1250)
    assert (old.is_active, yearly.is_active, new.is_active) == (False, True, True)
    assert (new.setup_fee_minor, new.seat_amount_minor, new.trial_days) == (500, 225, 14)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "0"}, {"amount": "-1"}, {"amount": "1.005"}, {"amount": "cheap"}, {"amount": ""},
        {"amount": "9" * 19}, {"currency": "XXX"}, {"currency": ""}, {"setup_fee": "-1"}, {"seat_amount": "x"},
        {"interval": "hour"}, {"interval_count": "0"}, {"interval_count": "367"}, {"trial_days": "731"},
        {"plan": "pln_unknown"}, {"currency": "JPY"},
    ],
    ids=str,
)  # fmt: skip
def test_an_impossible_price_changes_nothing(ops: Client, plan: Plan, wrong: dict[str, str]) -> None:
    old = make_price(plan, 999)

    assert ops.post(listed(Price, "add"), price_form(plan, **wrong)).status_code == 200

    assert list(Price.objects.values_list("id", "is_active")) == [(old.id, True)]


def test_a_price_is_archived_and_restored_and_never_edited(ops: Client, plan: Plan) -> None:
    price = make_price(plan, 999)

    assert ops.post(page(price), {"amount_minor": "1"}).status_code == 403
    for name, is_active in (("archive", False), ("archive", False), ("restore", True)):
        assert ops.get(deed(price, name)).status_code == 200
        do(ops, price, name)
        price.refresh_from_db()
        assert (price.amount_minor, price.is_active) == (999, is_active)


def test_a_price_that_was_replaced_is_not_restored_beside_the_new_one(ops: Client, plan: Plan) -> None:
    old, new = make_price(plan, 999, is_active=False), make_price(plan, 1299)

    do(ops, old, "restore")

    assert list(Price.objects.filter(is_active=True)) == [new]


def test_an_archived_plan_has_no_new_prices_until_it_is_restored(ops: Client, plan: Plan) -> None:
    do(ops, plan, "archive")
    assert ops.post(listed(Price, "add"), price_form(plan)).status_code == 200
    assert not Price.objects.exists()
    assert "Archived" in ops.get(listed(Plan)).content.decode()

    do(ops, plan, "restore")
    assert ops.post(listed(Price, "add"), price_form(plan)).status_code == 302


def test_the_kind_of_a_feature_never_changes(ops: Client, plan: Plan) -> None:
    feature = Feature.objects.get(code="exports")
    form = {"name_en": "Exports!", "name_zh": "导出", "code": "x", "kind": "switch", "reset": "day", "is_active": "on"}

    ops.post(page(feature), form)

    feature.refresh_from_db()
    assert (feature.name_en, feature.code, feature.kind, feature.reset) == ("Exports!", "exports", "metered", "day")


def test_who_may_only_look_changes_nothing(plan: Plan) -> None:
    price, client = make_price(plan, 999), Client()
    client.force_login(make_user(is_staff=True))

    for address in (deed(plan, "publish"), deed(plan, "archive"), deed(price, "archive"), listed(Price, "add")):
        assert client.post(address).status_code in (302, 403, 404)
    assert PlanVersion.objects.count() == Price.objects.filter(is_active=True).count() == 1
