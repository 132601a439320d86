"""The stores as staff see them. Keys go in and never come out; bearer tokens are on no page."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client

from memberships.models import Plan, StoreAccount, StoreNotice, StorePurchase, StoreToken, StoreTransfer
from tests.actors import AppUser
from tests.memberships.stores.factories import make_store_purchase
from tests.memberships.stores.google import GoogleKeys
from tests.memberships.test_admin import deed, do, listed, page
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db

INLINE = {
    "products-TOTAL_FORMS": "1",
    "products-INITIAL_FORMS": "0",
    "products-0-product_id": "premium_monthly",
}


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def key_file(google_keys: GoogleKeys) -> str:
    pem = google_keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    document = {"client_email": "play@example.iam.gserviceaccount.com", "private_key_id": "k1", "private_key": pem}
    return json.dumps(document)


def account_form(**values: str) -> dict[str, str]:
    form = {
        "store": "google_play",
        "name": "Android app",
        "bundle_id": "com.example.app",
        "environment": "production",
        "app_apple_id": "",
        "push_audience": "https://pay.example/webhooks/google-play/",
        "push_email": "pusher@example.iam.gserviceaccount.com",
        "is_enabled": "on",
        "key_file": "",
    }
    return form | INLINE | values


def test_an_account_is_made_with_a_key_that_is_never_shown(
    ops: Client, key_file: str, catalogue: dict[str, Plan]
) -> None:
    form = account_form(key_file=key_file) | {"products-0-plan": catalogue["premium"].id}
    answer = ops.post(listed(StoreAccount, "add"), form)
    assert answer.status_code == 302, answer.content
    account = StoreAccount.objects.get()
    assert account.credentials["client_email"] == "play@example.iam.gserviceaccount.com"
    assert account.products.get().plan.code == "premium"
    shown = ops.get(page(account)).content.decode()
    assert "PRIVATE KEY" not in shown
    assert "play@example.iam.gserviceaccount.com" in shown
    assert "/webhooks/google-play/" in shown
    kept = {"products-TOTAL_FORMS": "0", "products-INITIAL_FORMS": "0"}
    assert ops.post(page(account), account_form(name="Renamed") | kept).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.credentials["private_key_id"]) == ("Renamed", "k1")


@pytest.mark.parametrize(
    "values",
    [
        {"push_audience": ""},
        {"push_email": ""},
        {"store": "app_store", "app_apple_id": ""},
        {"key_file": "{}"},
        {"key_file": "not json"},
        {"environment": "Xcode"},
        {"environment": "LocalTesting"},
    ],
    ids=str,
)
def test_an_account_that_could_not_work_is_refused(
    ops: Client, catalogue: dict[str, Plan], values: dict[str, str]
) -> None:
    answer = ops.post(
        listed(StoreAccount, "add"), account_form(**values) | {"products-0-plan": catalogue["premium"].id}
    )
    assert answer.status_code == 200
    assert not StoreAccount.objects.exists()


def test_a_wrong_key_file_is_not_sent_back(ops: Client, catalogue: dict[str, Plan]) -> None:
    answer = ops.post(listed(StoreAccount, "add"), account_form(key_file='{"private_key": "very secret"}'))
    assert b"very secret" not in answer.content


def test_lists_and_pages_open_and_tokens_are_on_none(ops: Client, app_user: AppUser) -> None:
    purchase = make_store_purchase(app_user.user)
    StoreToken.objects.update(voided_orders={})
    for model in (StoreAccount, StorePurchase, StoreNotice, StoreTransfer):
        row: Any = model.objects.get()
        for address in (listed(model), f"{listed(model)}?q={row.pk}", page(row)):
            answer = ops.get(address)
            assert answer.status_code == 200, address
            shown = answer.content.decode()
            assert row.pk in shown or quote(row.pk) in shown, address
    shown = ops.get(page(purchase)).content.decode()
    assert "GPA.1" in shown
    assert ops.get(f"{listed(StorePurchase)}?q=GPA.1").content.decode().count(purchase.id) >= 1


def test_a_purchase_is_looked_at_again(ops: Client, app_user: AppUser) -> None:
    purchase = make_store_purchase(app_user.user)
    assert ops.get(deed(purchase, "look")).status_code == 200
    do(ops, purchase, "look")
    purchase.refresh_from_db()
    assert purchase.state == "unmapped"


def test_who_may_only_look_changes_nothing(app_user: AppUser) -> None:
    purchase = make_store_purchase(app_user.user)
    viewer = make_user(is_staff=True)
    names = [
        f"view_{name}" for name in ("storeaccount", "storepurchase", "storenotice", "storetransfer", "storeproduct")
    ]
    viewer.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(viewer)
    assert b"key_file" not in client.get(page(purchase.account)).content
    assert client.post(page(purchase.account), account_form(name="Mine")).status_code == 403
    assert client.post(deed(purchase, "look"), {"_form_submitted": "on"}).status_code in (302, 403)
    purchase.refresh_from_db()
    assert purchase.state == "linked"
