"""Promotions on both consoles: written, agreed to by another, paused; a merchant's people see their own."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant
from payments.promotions.managing import MILL, BatchDraft, add_batch
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption
from payments.promotions.terms import fingerprint_of
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.payments.promotions.factories import make_promotion, purchase, take_once

pytestmark = pytest.mark.django_db

FORM = {
    "name": "Spring", "title": "", "title_zh": "", "kind": "percent", "percent": "12.5", "duration": "once",
    "periods": "1", "free_days": "0", "applies_to": "any", "stacking": "exclusive", "position": "10",
    "max_per_person": "1", "funded_by": "merchant", "budget": "USD 500",
    "most_off": "USD 20, EUR 18.50", "currencies": ["USD"],
}  # fmt: skip


def staff() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def member_of(merchant: Merchant, *, role: str = "owner") -> Client:
    client = Client()
    client.force_login(make_member(merchant=merchant, role=role).user)
    return client


def address(row: Any, action: str = "change", *, site: str = "ops") -> str:
    return reverse(f"{site}:payments_{row._meta.model_name}_{action}", args=[quote(row.pk)])


def do(client: Client, row: Any, action: str, *, site: str = "ops", **form: str) -> Any:
    return client.post(address(row, action, site=site), {"_form_submitted": "on", **form}, follow=True)


def test_staff_write_a_promotion_in_major_units(merchant: Merchant) -> None:
    answer = staff().post(reverse("ops:payments_promotion_add"), FORM | {"merchant": merchant.id})
    assert answer.status_code == 302, answer.content.decode()[:3000]
    made = Promotion.objects.get()
    assert (made.percent_basis_points, made.budget_minor, made.budget_currency) == (1_250, 50_000, "USD")
    assert made.most_off == {"USD": 2_000, "EUR": 1_850}
    assert (made.merchant_id, made.status, made.needs_second_person) == (merchant.id, "draft", False)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"percent": "101"}, "100"),
        ({"percent": "-1"}, "0.01"),
        ({"percent": ""}, "More than 0"),
        ({"kind": "fixed"}, "Name an amount"),
        ({"kind": "fixed", "amounts": "five dollars"}, "Write currency and amount"),
        ({"kind": "fixed", "amounts": "USD 5.001"}, "no more decimals"),
        ({"budget": "USD 5, EUR 5"}, "in one currency"),
        ({"duration": "forever"}, "never end"),
        ({"name": ""}, "required"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_stored(merchant: Merchant, wrong: dict[str, str], word: str) -> None:
    answer = staff().post(reverse("ops:payments_promotion_add"), FORM | {"merchant": merchant.id} | wrong)
    assert answer.status_code == 200
    assert word in answer.content.decode() or word in str(answer.context["errors"])
    assert not Promotion.objects.exists()


def test_who_wrote_a_big_one_cannot_activate_it_and_another_can(merchant: Merchant) -> None:
    author, other = staff(), staff()
    author.post(reverse("ops:payments_promotion_add"), FORM | {"merchant": merchant.id, "budget": "USD 50000"})
    made = Promotion.objects.get()
    assert made.needs_second_person
    shown = author.get(address(made, "activate"))
    assert (shown.status_code, "12.5" in shown.content.decode() or "1250" in shown.content.decode()) == (200, True)
    author.post(address(made, "activate"), {"seen_rules": fingerprint_of(made)}, follow=True)
    made.refresh_from_db()
    assert made.status == "draft"
    stale = other.post(address(made, "activate"), {"seen_rules": "0" * 64}, follow=True)
    made.refresh_from_db()
    assert (stale.status_code, made.status) == (200, "draft")
    other.post(address(made, "activate"), {"seen_rules": fingerprint_of(made)}, follow=True)
    made.refresh_from_db()
    assert made.status == "active"
    refused = author.post(address(made), FORM | {"merchant": merchant.id, "percent": "99"})
    made.refresh_from_db()
    assert (refused.status_code, made.percent_basis_points) == (403, 1_250)


def test_deeds_from_the_page(merchant: Merchant) -> None:
    client, made = staff(), make_promotion(merchant)
    do(client, made, "add_code", code="extra-1", max_uses="3")
    assert PromotionCode.objects.get(code="EXTRA-1").max_uses == 3
    do(client, made, "make_codes", count="12", prefix="P-", note="")
    assert MILL.advance(CodeBatch.objects.get().id).made == 12
    code = PromotionCode.objects.get(code="EXTRA-1")
    do(client, code, "disable")
    assert not PromotionCode.objects.get(code="EXTRA-1").is_enabled
    do(client, code, "enable")
    assert PromotionCode.objects.get(code="EXTRA-1").is_enabled
    for deed, status in (("pause", "paused"), ("end", "ended")):
        do(client, made, deed)
        made.refresh_from_db()
        assert made.status == status


@pytest.mark.parametrize("site", ["ops", "merchant"])
def test_terms_that_nobody_can_change_any_more_are_shown_in_peoples_units(merchant: Merchant, site: str) -> None:
    staff().post(reverse("ops:payments_promotion_add"), FORM | {"merchant": merchant.id})
    made = Promotion.objects.get()
    staff().post(address(made, "activate"), {"seen_rules": fingerprint_of(made)})
    visitor = staff() if site == "ops" else member_of(merchant)

    shown = visitor.get(address(made, site=site)).content.decode()

    for term in ("12.5 %", "$500.00", "$20.00", "€18.50"):
        assert term in shown, term
    assert "minor units" not in shown


def test_what_is_no_code_is_said_in_the_dialog(merchant: Merchant) -> None:
    made = make_promotion(merchant)
    before = PromotionCode.objects.count()

    answer = do(staff(), made, "add_code", code="no code!", max_uses="")

    assert "3 to 40 letters" in answer.content.decode()
    assert PromotionCode.objects.count() == before


@pytest.mark.parametrize("model", ["promotion", "promotioncode", "codebatch", "redemption"])
@pytest.mark.parametrize("site", ["ops", "merchant"])
def test_lists_are_searched_and_pages_open(merchant: Merchant, site: str, model: str) -> None:
    made = make_promotion(merchant)
    MILL.advance(add_batch(made.id, BatchDraft(2, requested_by="usr_x")).id)
    take_once("WELCOME20", purchase(merchant, kind="order"), "ord_somewhere")
    client = staff() if site == "ops" else member_of(merchant, role="viewer")
    rows = {"promotion": made, "codebatch": CodeBatch.objects.get(), "redemption": Redemption.objects.get()}
    row = rows.get(model) or PromotionCode.objects.get(code="WELCOME20")
    changelist = reverse(f"{site}:payments_{model}_changelist")
    for query in ("", row.pk, "WELCOME20", "nothing like it", "'; --", "?" * 500):
        shown = client.get(changelist, {"q": query})
        assert shown.status_code == 200
        if query == row.pk:
            assert quote(row.pk) in shown.content.decode()
    assert client.get(address(row, site=site)).status_code == 200
    assert client.get(reverse(f"{site}:index")).status_code == 200


def test_a_merchants_promotion_is_for_its_orders_at_its_own_cost(merchant: Merchant) -> None:
    client = member_of(merchant)
    answer = client.post(
        reverse("merchant:payments_promotion_add"), FORM | {"merchant": make_merchant().id, "funded_by": "platform"}
    )
    assert answer.status_code == 302, answer.content.decode()[:3000]
    made = Promotion.objects.get()
    assert (made.merchant_id, made.funded_by, made.applies_to) == (merchant.id, "merchant", "order")
    client.post(address(made, "activate", site="merchant"), {"seen_rules": fingerprint_of(made)})
    made.refresh_from_db()
    assert made.status == "active"


def test_roles_that_only_look_change_nothing(merchant: Merchant) -> None:
    made = make_promotion(merchant)
    client = member_of(merchant, role="developer")
    assert client.post(reverse("merchant:payments_promotion_add"), FORM).status_code == 403
    for deed in ("pause", "end", "add_code", "make_codes"):
        answer = do(client, made, deed, site="merchant", code="ABC", count="1")
        assert answer.status_code in (403, 404)
    made.refresh_from_db()
    assert (made.status, Promotion.objects.count(), PromotionCode.objects.count()) == ("active", 1, 1)


def test_another_merchants_codes_are_not_downloaded(merchant: Merchant) -> None:
    theirs = make_promotion(make_merchant())
    batch = MILL.advance(add_batch(theirs.id, BatchDraft(2, requested_by="usr_x")).id)
    client = member_of(merchant)
    assert client.get(address(batch, "codes", site="merchant")).status_code == 404
    assert staff().get(address(batch, "codes")).status_code == 200
    nobody = Client()
    nobody.force_login(make_user(is_staff=True))
    assert nobody.get(address(batch, "codes")).status_code in (403, 404)
