"""A person with several merchants acts for one at a time; what may be done there follows the merchant's status."""

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.urls import reverse

from merchants.console import EVERY_STATUS, FINANCE, MerchantScopedAdmin, active_membership, may_act
from merchants.models import ApiKey, Merchant, MerchantMember
from merchants.services import add_member, create_api_key
from paycore.sites import merchant_site
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db

KEYS = "merchant:merchants_apikey_changelist"


@pytest.fixture
def shops(client: Client) -> tuple[Merchant, Merchant]:
    """Two shops of one person, who is signed in."""
    first, second = make_merchant(name="First shop"), make_merchant(name="Second shop")
    member = make_member(merchant=first, role="viewer")
    add_member(merchant=second, user=member.user, role="owner")
    client.force_login(member.user)
    return first, second


def _switch(client: Client, merchant_id: str) -> None:
    assert client.post(reverse("merchant:switch"), {"merchant": merchant_id}).status_code == 302


def _request_of(member: MerchantMember):  # type: ignore[no-untyped-def]
    request = RequestFactory().get("/merchant/")
    request.user = member.user
    return request


def test_the_switcher_offers_own_merchants_only(client: Client, shops: tuple[Merchant, Merchant]) -> None:
    foreign = make_merchant(name="Foreign shop")

    page = client.get(reverse("merchant:index")).content.decode()

    assert f'<option value="{shops[0].id}" selected>First shop' in page
    assert f'<option value="{shops[1].id}">Second shop' in page
    assert foreign.id not in page
    assert foreign.name not in page


def test_who_has_one_merchant_has_nothing_to_switch(client: Client) -> None:
    client.force_login(make_member(merchant=make_merchant(name="Only shop")).user)

    page = client.get(reverse("merchant:index")).content.decode()

    assert "Only shop" in page
    assert 'name="merchant"' not in page


def test_after_switching_everything_is_the_other_merchants_role_included(
    client: Client, shops: tuple[Merchant, Merchant]
) -> None:
    for shop in shops:
        create_api_key(merchant=shop, name=f"key of {shop.name}", created_by=None)
    assert client.get(reverse(KEYS)).status_code == 403  # a viewer at the first

    _switch(client, shops[1].id)

    page = client.get(reverse(KEYS)).content.decode()
    assert "key of Second shop" in page
    assert "key of First shop" not in page


@pytest.mark.parametrize("merchant_id", ["", "mer_x", "' OR 1=1", "foreign"])
def test_a_merchant_of_somebody_else_cannot_be_chosen(
    client: Client, shops: tuple[Merchant, Merchant], merchant_id: str
) -> None:
    foreign = make_merchant(name="Foreign shop")
    create_api_key(merchant=foreign, name="foreign key", created_by=None)
    _switch(client, shops[1].id)

    _switch(client, foreign.id if merchant_id == "foreign" else merchant_id)

    page = client.get(reverse(KEYS)).content.decode()
    assert "Second shop" in page
    assert "oreign key" not in page


def test_switching_is_a_post_with_a_token(shops: tuple[Merchant, Merchant]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(MerchantMember.objects.filter(merchant=shops[1]).get().user)
    assert strict.get(reverse("merchant:switch")).status_code == 405
    assert strict.post(reverse("merchant:switch"), {"merchant": shops[1].id}).status_code == 403


def test_a_choice_ends_with_the_role(client: Client, shops: tuple[Merchant, Merchant]) -> None:
    _switch(client, shops[1].id)
    mine = MerchantMember.objects.get(merchant=shops[1])
    make_member(merchant=shops[1])  # an owner must stay
    mine.delete()

    page = client.get(reverse("merchant:index")).content.decode()

    assert "First shop" in page
    assert "Second shop" not in page


def test_an_approved_merchant_comes_before_an_older_one_that_is_not(client: Client) -> None:
    draft = make_merchant(name="Draft shop", status="draft")
    member = make_member(merchant=draft)
    approved = make_merchant(name="Approved shop")
    add_member(merchant=approved, user=member.user, role="owner")

    assert active_membership(_request_of(member)).merchant_id == approved.id  # type: ignore[union-attr]


def test_nobody_acts_for_nobody() -> None:
    request = RequestFactory().get("/merchant/")
    request.user = AnonymousUser()
    assert active_membership(request) is None
    request.user = make_user(is_staff=True, is_superuser=True)
    assert not may_act(request, FINANCE)


@pytest.mark.parametrize("status", ["draft", "submitted", "returned"])
def test_before_approval_people_enter_and_see_only_what_onboarding_needs(client: Client, status: str) -> None:
    merchant = make_merchant(status=status, name="Hopeful shop")
    client.force_login(make_member(merchant=merchant).user)

    first_page = client.get(reverse("merchant:index"), follow=True)
    assert first_page.status_code == 200
    assert first_page.redirect_chain == [
        (reverse("merchant:merchants_merchant_change", args=[quote(merchant.pk)]), 302)
    ]
    assert "Hopeful shop" in first_page.content.decode()
    for model, model_admin in merchant_site._registry.items():
        name = f"merchant:{model._meta.app_label}_{model._meta.model_name}_changelist"
        expected = {200, 302} if status in model_admin.open_to_statuses else {403}  # type: ignore[attr-defined]
        assert client.get(reverse(name)).status_code in expected, name
    assert client.get(reverse(KEYS)).status_code == 403
    assert client.post(reverse("merchant:merchants_apikey_add"), {"name": "early"}).status_code == 403
    assert not ApiKey.objects.exists()


def test_a_suspended_merchants_people_look_and_change_nothing(client: Client) -> None:
    merchant = make_merchant(status="suspended", name="Shop at rest")
    key, _secret = create_api_key(merchant=merchant, name="old", created_by=None)
    client.force_login(make_member(merchant=merchant).user)
    own_page = reverse("merchant:merchants_merchant_change", args=[merchant.id])

    assert client.get(reverse(KEYS)).status_code == 200
    assert client.get(reverse("merchant:payments_order_changelist")).status_code == 200
    assert client.post(reverse("merchant:merchants_apikey_add"), {"name": "new"}).status_code == 403
    client.post(reverse(KEYS), {"action": "revoke", "_selected_action": [key.id]})
    assert client.get(own_page).status_code == 200
    client.post(own_page, {"name": "Renamed"})

    assert ApiKey.objects.get().revoked_at is None
    assert Merchant.objects.get(id=merchant.id).name == "Shop at rest"


@pytest.mark.parametrize("role", ["owner", "finance", "developer", "viewer"])
@pytest.mark.parametrize("status", ["draft", "submitted", "returned", "approved", "suspended"])
def test_role_and_status_decide_together(role: str, status: str) -> None:
    class Ordinary(MerchantScopedAdmin):
        add_roles = change_roles = FINANCE

    class Onboarding(Ordinary):
        open_to_statuses = EVERY_STATUS - {"suspended"}

    request = _request_of(make_member(merchant=make_merchant(status=status), role=role))
    ordinary, onboarding = Ordinary(ApiKey, merchant_site), Onboarding(ApiKey, merchant_site)

    assert ordinary.has_view_permission(request) is (status in {"approved", "suspended"})
    assert ordinary.has_add_permission(request) is (status == "approved" and role in FINANCE)
    assert onboarding.has_view_permission(request) is True
    assert onboarding.has_change_permission(request) is (status != "suspended" and role in FINANCE)
    assert not ordinary.has_delete_permission(request)
