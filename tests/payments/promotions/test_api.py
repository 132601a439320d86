"""`/api/v1/promotions`: a merchant's server manages its own; anybody signed in may look at what a code gives."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import translation

from merchants.models import Merchant
from payments.promotions.managing import MILL
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption
from tests.actors import AppUser, MerchantServer
from tests.payments.promotions.factories import make_promotion

pytestmark = pytest.mark.django_db

DRAFT = {
    "name": "Welcome",
    "kind": "percent",
    "percent_basis_points": 2000,
    "max_per_person": None,
    "budget_minor": 50_000,
    "budget_currency": "USD",
}
ORDER = {"currency": "USD", "amount_minor": 1_000, "description": "A thing", "promotion_code": "hello"}


def test_from_the_draft_to_the_lowered_order(merchant_server: MerchantServer) -> None:
    made = merchant_server.post("/promotions", DRAFT).json()
    assert (made["status"], made["funded_by"], made["needs_second_person"]) == ("draft", "merchant", False)
    at = f"/promotions/{made['id']}"
    code = merchant_server.post(f"{at}/codes", {"code": "Hello"}).json()
    assert code["code"] == "HELLO"
    assert merchant_server.post("/orders", ORDER).json()["code"] == "promotion_code_not_valid"
    assert merchant_server.post(f"{at}/activate").json()["status"] == "active"
    assert merchant_server.post(f"{at}/activate").status_code == 409
    order = merchant_server.post("/orders", ORDER).json()
    assert (order["amount_minor"], order["promotion_codes"]) == (800, ["HELLO"])
    uses = merchant_server.get(f"{at}/uses").json()["data"]
    assert [(use["subject"], use["amount_minor"], use["status"]) for use in uses] == [(order["id"], 200, "taken")]
    assert merchant_server.get(at).json()["used"] == 1
    assert merchant_server.post(f"{at}/codes/{code['id']}/disable").json()["is_enabled"] is False
    assert merchant_server.post("/orders", ORDER).json()["code"] == "promotion_code_not_valid"
    assert merchant_server.post(f"{at}/pause").json()["status"] == "paused"
    assert merchant_server.post(f"{at}/end").json()["status"] == "ended"
    assert merchant_server.post(f"{at}/activate").json()["code"] == "promotion_has_ended"
    assert [row["id"] for row in merchant_server.get("/promotions", status="ended").json()["data"]] == [made["id"]]
    assert merchant_server.get("/promotions", status="active").json()["data"] == []


def test_a_big_one_waits_for_a_person(merchant_server: MerchantServer) -> None:
    made = merchant_server.post("/promotions", DRAFT | {"budget_minor": 10_000_000}).json()
    refused = merchant_server.post(f"/promotions/{made['id']}/activate")
    assert (refused.status_code, refused.json()["code"]) == (403, "promotion_is_your_own")
    assert Promotion.objects.get().status == "draft"


def test_the_same_key_drafts_once(merchant_server: MerchantServer) -> None:
    first = merchant_server.post("/promotions", DRAFT, key="one")
    assert merchant_server.post("/promotions", DRAFT, key="one").content == first.content
    assert Promotion.objects.count() == 1


@pytest.mark.parametrize(
    "more",
    [
        {"percent_basis_points": 10_001},
        {"percent_basis_points": 20.0},
        {"kind": "free_days"},
        {"kind": "fixed", "amounts": {"usd": 5}},
        {"kind": "fixed", "amounts": {"USD": 0}},
        {"kind": "fixed", "amounts": [5]},
        {"max_uses": 0},
        {"max_uses": 10**12},
        {"funded_by": "platform"},
        {"merchant": "mer_other"},
        {"users": ["usr_1"]},
        {"starts_at": "tomorrow"},
        {"starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"},
        {"name": "x" * 81},
        {"title": "\u202etitle"},
    ],
)
def test_bad_terms_make_no_promotion(merchant_server: MerchantServer, more: dict[str, Any]) -> None:
    response = merchant_server.post("/promotions", DRAFT | more)
    assert response.status_code in (400, 422), response.content
    assert response.json()["code"] in ("validation_failed", "promotion_terms_invalid")
    assert not Promotion.objects.exists()


def test_a_batch_by_the_api(merchant_server: MerchantServer) -> None:
    promotion = make_promotion(merchant_server.merchant)
    at = f"/promotions/{promotion.id}"
    batch = merchant_server.post(f"{at}/code-batches", {"count": 30, "prefix": "vip-"}).json()
    assert (batch["status"], batch["made"], batch["count"]) == ("making", 0, 30)
    MILL.advance(batch["id"])
    shown = merchant_server.get(f"{at}/code-batches/{batch['id']}").json()
    assert (shown["status"], shown["made"]) == ("done", 30)
    page = merchant_server.get(f"{at}/codes", batch=batch["id"], limit=20).json()
    assert (len(page["data"]), page["has_more"]) == (20, True)
    found = merchant_server.get(f"{at}/codes", code=page["data"][0]["code"].lower()).json()["data"]
    assert [row["id"] for row in found] == [page["data"][0]["id"]]
    for bad in ({"count": 10**9}, {"count": 0}, {"count": 1, "prefix": "=SUM("}, {"count": "5"}, {}):
        response = merchant_server.post(f"{at}/code-batches", bad)
        assert response.status_code in (400, 422), response.content
    assert CodeBatch.objects.count() == 1


def check(caller: Any, code: str, **more: Any) -> Any:
    return caller.post("/promotions/check", {"code": code, "amount_minor": 999, "currency": "USD", **more})


def test_looking_holds_nothing(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant, max_uses=1)
    for _time in range(3):
        answer = check(merchant_server, "welcome20").json()
    assert answer == {
        "object": "promotion_quote",
        "code": "WELCOME20",
        "description": "20% off",
        "currency": "USD",
        "discount_minor": 200,
        "amount_minor": 799,
        "free_days": 0,
        "periods": 1,
    }
    assert (Redemption.objects.count(), Promotion.objects.get().used) == (0, 0)


def test_a_person_looks_at_codes_for_memberships(app_user: AppUser, platform: Merchant, merchant: Merchant) -> None:
    make_promotion(platform, plans=["pln_gold"], intervals=["year"], title_zh="八折")
    make_promotion(merchant, "OFTHESHOP")
    assert check(app_user, "WELCOME20", plan="pln_gold", interval="year").json()["discount_minor"] == 200
    refused = check(app_user, "WELCOME20", plan="pln_free", interval="year").json()
    assert (refused["code"], refused["reason"]) == ("promotion_not_applicable", "plan")
    assert check(app_user, "OFTHESHOP").json()["code"] == "promotion_code_not_valid"
    headers = {"Authorization": f"Bearer {app_user.secret}", "Accept-Language": "zh-hans"}
    body = {"code": "welcome20", "amount_minor": 999, "currency": "USD", "plan": "pln_gold", "interval": "year"}
    with translation.override(None):
        shown = app_user.client.post(
            "/api/v1/promotions/check", body, content_type="application/json", headers=headers
        ).json()
    assert shown["description"] == "八折"


def test_strangers_cannot_tell_unknown_from_used_up(app_user: AppUser, platform: Merchant) -> None:
    make_promotion(platform, "GONE", max_uses=0)
    answers = []
    for code in ("GONE", "NEVER", "Ѕ0ME", "A" * 1_000):
        response = check(app_user, code)
        body = response.json()
        body.pop("request_id")
        body.pop("instance", None)
        answers.append((response.status_code, body))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 422


def test_guessing_is_slow_for_people_and_not_for_servers(
    app_user: AppUser, merchant_server: MerchantServer, platform: Merchant, settings: LazySettings
) -> None:
    settings.PAYCORE_THROTTLE_RATES = {**settings.PAYCORE_THROTTLE_RATES, "promotion_check": "3/minute"}
    assert [check(app_user, f"GUESS{number}").status_code for number in range(5)] == [422, 422, 422, 429, 429]
    assert {check(merchant_server, f"GUESS{number}").status_code for number in range(5)} == {422}


def test_promotions_are_for_merchants_servers(app_user: AppUser, merchant_server: MerchantServer) -> None:
    promotion = make_promotion(merchant_server.merchant)
    for path in ("/promotions", f"/promotions/{promotion.id}", f"/promotions/{promotion.id}/codes"):
        assert app_user.get(path).status_code == 403
    assert app_user.post("/promotions", DRAFT).status_code == 403
    assert PromotionCode.objects.count() == 1
