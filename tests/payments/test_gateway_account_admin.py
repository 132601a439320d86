"""Gateway accounts: credentials go in and never come out."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from payments.routing.models import GatewayAccount
from tests.conftest import SANDBOX_SECRET
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


def page(account: GatewayAccount, action: str = "change") -> str:
    return reverse(f"ops:payments_gatewayaccount_{action}", args=[quote(account.pk)])


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


ACCOUNT = {
    "name": "Second",
    "gateway": "sandbox",
    "is_enabled": "on",
    "base_url": "https://provider.example",
    "methods": ["card"],
    "priority": "5",
    "fee_basis_points": "100",
    "fee_fixed_minor": "0",
    "new_credentials": '{"secret": "hush-hush-7"}',
}


def test_credentials_are_stored_sealed_and_never_shown(ops: Client) -> None:
    assert ops.post(reverse("ops:payments_gatewayaccount_add"), ACCOUNT).status_code == 302

    made = GatewayAccount.objects.get(name="Second")
    assert made.credentials == {"secret": "hush-hush-7"}
    for address in (page(made), page(made, "history"), reverse("ops:payments_gatewayaccount_changelist")):
        assert "hush-hush-7" not in ops.get(address).content.decode()


def test_empty_credentials_keep_the_old_ones_and_new_ones_replace_them(ops: Client, account: GatewayAccount) -> None:
    GatewayAccount.objects.update(base_url="https://provider.example")

    assert ops.post(page(account), ACCOUNT | {"new_credentials": "", "name": "Renamed"}).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.credentials) == ("Renamed", {"secret": SANDBOX_SECRET})

    assert ops.post(page(account), ACCOUNT | {"new_credentials": '{"secret": "new"}'}).status_code == 302
    account.refresh_from_db()
    assert account.credentials == {"secret": "new"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"new_credentials": ""},
        {"new_credentials": "not json"},
        {"new_credentials": '["secret"]'},
        {"new_credentials": '{"secret": 5}'},
        {"new_credentials": '{"key": "the secret is missing"}'},
        {"methods": ["telepathy"]},
        {"methods": []},
        {"gateway": "nobody"},
        {"min_amount_minor": "10", "max_amount_minor": "5"},
    ],
)
def test_an_account_that_cannot_work_is_refused_and_the_secret_is_not_sent_back(
    ops: Client, wrong: dict[str, Any]
) -> None:
    answer = ops.post(reverse("ops:payments_gatewayaccount_add"), ACCOUNT | wrong)

    assert answer.status_code == 200
    assert "hush-hush-7" not in answer.content.decode()
    assert not GatewayAccount.objects.exists()


def test_gateway_and_owner_of_an_account_are_fixed(ops: Client, account: GatewayAccount, merchant: Any) -> None:
    ops.post(page(account), ACCOUNT | {"merchant": merchant.id, "gateway": "other"})

    account.refresh_from_db()
    assert (account.gateway, account.merchant_id, account.name) == ("sandbox", None, "Second")
