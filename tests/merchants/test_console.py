"""What a merchant's member sees and may do, and above all what not."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import reverse

from merchants.authentication import find_caller
from merchants.console import EVERYONE, MerchantScopedAdmin, may_enter_console
from merchants.models import ApiKey, Merchant, MerchantMember
from merchants.services import create_api_key
from paycore.sites import merchant_site
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db


def _enter(client: Client, *, role: str = "owner") -> Merchant:
    merchant = make_merchant(name="Own shop")
    client.force_login(make_member(merchant=merchant, role=role).user)
    return merchant


def test_every_model_of_the_console_is_scoped_to_a_merchant() -> None:
    unscoped = [model for model, admin in merchant_site._registry.items() if not isinstance(admin, MerchantScopedAdmin)]

    assert unscoped == []
    assert {Merchant, MerchantMember, ApiKey} <= set(merchant_site._registry)


def test_no_list_of_the_console_shows_anything_of_another_merchant(client: Client) -> None:
    own = _enter(client)
    other = make_merchant(name="Foreign shop")
    member = make_member(merchant=other)
    create_api_key(merchant=own, name="own key", created_by=None)
    create_api_key(merchant=other, name="foreign key", created_by=None)

    for model in merchant_site._registry:
        name = f"merchant:{model._meta.app_label}_{model._meta.model_name}"
        response = client.get(reverse(f"{name}_changelist"))
        assert response.status_code == 200, name
        page = response.content.decode()
        assert "oreign" not in page, name
        assert other.id not in page, name
        assert str(member.user_id) not in page, name
    keys = client.get(reverse("merchant:merchants_apikey_changelist")).content.decode()
    assert "own key" in keys


def test_another_merchants_object_looks_like_no_object(client: Client) -> None:
    _enter(client)
    other = make_merchant()
    key, _secret = create_api_key(merchant=other, name="foreign", created_by=None)

    for name, object_id in (("merchants_merchant", other.id), ("merchants_apikey", key.id)):
        for page in ("change", "history", "delete"):
            response = client.get(reverse(f"merchant:{name}_{page}", args=[object_id]))
            assert response.status_code in {302, 403, 404}, (name, page)
            assert "foreign" not in response.content.decode()


def test_another_merchant_is_not_changed_by_a_posted_form(client: Client) -> None:
    _enter(client)
    other = make_merchant(name="Foreign shop")

    client.post(reverse("merchant:merchants_merchant_change", args=[other.id]), {"name": "Taken over"})

    other.refresh_from_db()
    assert other.name == "Foreign shop"


def test_another_merchants_key_is_not_revoked_by_a_posted_action(client: Client) -> None:
    own = _enter(client)
    mine, _secret = create_api_key(merchant=own, name="mine", created_by=None)
    foreign, _secret = create_api_key(merchant=make_merchant(), name="foreign", created_by=None)

    client.post(
        reverse("merchant:merchants_apikey_changelist"),
        {"action": "revoke", "_selected_action": [mine.id, foreign.id]},
    )

    assert ApiKey.objects.get(id=mine.id).revoked_at is not None
    assert ApiKey.objects.get(id=foreign.id).revoked_at is None


def test_the_owner_changes_the_profile_and_not_the_terms(client: Client) -> None:
    merchant = _enter(client)

    response = client.post(
        reverse("merchant:merchants_merchant_change", args=[merchant.id]),
        {"name": "New name", "fee_basis_points": "0", "status": "closed", "refund_review_above_minor": "999999"},
    )

    assert response.status_code == 302
    changed = Merchant.objects.get(id=merchant.id)
    assert changed.name == "New name"
    assert (changed.status, changed.refund_review_above_minor) == ("approved", None)


@pytest.mark.parametrize("role", ["finance", "developer", "viewer"])
def test_only_the_owner_changes_the_profile(client: Client, role: str) -> None:
    merchant = _enter(client, role=role)
    address = reverse("merchant:merchants_merchant_change", args=[merchant.id])

    assert client.get(address).status_code == 200
    assert client.post(address, {"name": "New name"}).status_code == 403
    assert Merchant.objects.get(id=merchant.id).name == "Own shop"


def test_a_developer_makes_a_key_whose_secret_is_shown_once_and_works(client: Client) -> None:
    merchant = _enter(client, role="developer")

    response = client.post(reverse("merchant:merchants_apikey_add"), {"name": "production", "access": "full"})

    key = ApiKey.objects.get()
    page = response.content.decode()
    secret = page.split('console-secret text-important">')[1].split("<")[0]
    caller = find_caller(secret)
    assert caller is not None
    assert (caller.merchant_id, caller.key_id) == (merchant.id, key.id)
    assert key.created_by is not None
    assert "no-store" in response["Cache-Control"]
    assert secret not in client.get(reverse("merchant:merchants_apikey_change", args=[key.id])).content.decode()


@pytest.mark.parametrize("role", ["finance", "viewer"])
def test_others_neither_see_nor_make_keys(client: Client, role: str) -> None:
    merchant = _enter(client, role=role)
    create_api_key(merchant=merchant, name="production", created_by=None)

    assert client.get(reverse("merchant:merchants_apikey_changelist")).status_code == 403
    assert client.post(reverse("merchant:merchants_apikey_add"), {"name": "mine"}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_a_role_that_ended_ends_access_at_once(client: Client) -> None:
    left = _enter(client)
    assert client.get(reverse("merchant:index")).status_code == 200

    make_member(merchant=left)
    MerchantMember.objects.filter(merchant=left).first().delete()  # type: ignore[union-attr]  # there are two

    assert client.get(reverse("merchant:index")).status_code == 302


def test_people_without_a_role_stay_outside() -> None:
    assert may_enter_console(make_user(is_staff=True, is_superuser=True)) is False
    assert may_enter_console(make_member(merchant=make_merchant()).user) is True


def test_a_filter_on_a_relation_is_narrowed_to_own_rows_and_a_leaking_one_is_refused() -> None:
    class Narrowed(MerchantScopedAdmin):
        view_roles = EVERYONE
        list_filter = ("created_by", "merchant__status")

    class Leaking(MerchantScopedAdmin):
        list_filter = ("merchant__legal_name",)

    request = RequestFactory().get("/")

    narrowed = Narrowed(ApiKey, merchant_site).get_list_filter(request)
    assert [entry if isinstance(entry, str) else entry[1].__name__ for entry in narrowed] == [
        "RelatedOnlyFieldListFilter",
        "merchant__status",
    ]
    with pytest.raises(ImproperlyConfigured):
        Leaking(ApiKey, merchant_site).get_list_filter(request)


def test_a_foreign_key_offers_own_rows_only() -> None:
    member = make_member(merchant=make_merchant())
    make_merchant()
    request = RequestFactory().get("/")
    request.user = member.user

    class Anything(MerchantScopedAdmin):
        pass

    admin = Anything(ApiKey, merchant_site)
    offered = admin.formfield_for_foreignkey(ApiKey._meta.get_field("merchant"), request).queryset
    people = admin.formfield_for_foreignkey(ApiKey._meta.get_field("created_by"), request).queryset

    assert [merchant.id for merchant in offered] == [member.merchant_id]
    assert list(people) == []
