"""Gateway accounts: each gateway asks for its own fields, and credentials go in and never come out."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from paycore.settings import policy
from payments.gateways.contract import AccountField, GatewayRejected
from payments.gateways.registry import GATEWAYS
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.routing.connections import configuration_of
from payments.routing.models import GatewayAccount, GatewayFee, GatewayQuota
from tests.conftest import SANDBOX_SECRET
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


class Elsewhere(SandboxGateway):
    """A gateway that asks for all that one can ask for."""

    name: ClassVar[str] = "elsewhere"
    addresses: ClassVar[tuple[str, ...]] = ("https://api.elsewhere.example", "https://trial.elsewhere.example")
    currencies: ClassVar[frozenset[str]] = frozenset({"EUR", "USD"})
    account_fields: ClassVar[tuple[AccountField, ...]] = (
        AccountField("secret", can_overlap=True),
        AccountField("private_key", is_multiline=True),
        AccountField("shop_number", is_secret=False),
        AccountField("report", is_secret=False, is_required=False),
        AccountField("root", is_secret=False, is_required=False, is_override=True),
    )
    said: ClassVar[Any] = "Corner Shop (acct_7)"

    def probe(self) -> str:
        if isinstance(self.said, Exception):
            raise self.said
        return f"{self.said} {self.configuration.credentials['secret']}"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Elsewhere]]:
    monkeypatch.setitem(GATEWAYS, "elsewhere", Elsewhere)
    yield Elsewhere
    Elsewhere.said = "Corner Shop (acct_7)"


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


ADD = "ops:payments_gatewayaccount_add"
INLINES = {
    f"{prefix}-{name}": value
    for prefix in ("fees", "quotas")
    for name, value in (("TOTAL_FORMS", "0"), ("INITIAL_FORMS", "0"))
}
ACCOUNT: dict[str, Any] = INLINES | {
    "gateway": "elsewhere",
    "name": "Second",
    "is_enabled": "on",
    "base_url": "",
    "methods": ["card"],
    "priority": "5",
    "fee_basis_points": "100",
    "fee_fixed_minor": "0",
    "time_zone": "UTC",
    "secret__secret": "hush-hush-7",
    "secret__private_key": "-----BEGIN-----\nhush-hush-8\n-----END-----",
    "setting__shop_number": "4711",
}
SECRETS = ("hush-hush-7", "hush-hush-8")


def page(account: GatewayAccount, action: str = "change") -> str:
    return reverse(f"ops:payments_gatewayaccount_{action}", args=[quote(account.pk)])


def deed(client: Client, account: GatewayAccount, name: str) -> str:
    return client.post(page(account, name), {"_form_submitted": "on"}, follow=True).content.decode()


@pytest.fixture
def made(ops: Client) -> GatewayAccount:
    answer = ops.post(reverse(ADD), ACCOUNT)
    assert answer.status_code == 302, answer.content.decode()
    return GatewayAccount.objects.get(name="Second")


def test_first_the_gateway_is_chosen_and_then_its_own_fields_are_asked_for(ops: Client) -> None:
    choice = ops.get(reverse(ADD)).content.decode()
    assert "?gateway=elsewhere" in choice
    assert "?gateway=sandbox" in choice
    form = ops.get(reverse(ADD), {"gateway": "elsewhere"}).content.decode()
    for name in ("secret__secret", "secret__private_key", "setting__shop_number", "setting__root"):
        assert f'name="{name}"' in form
    assert 'name="secret__private_key"' not in ops.get(reverse(ADD), {"gateway": "sandbox"}).content.decode()


@pytest.mark.parametrize("name", sorted(GATEWAYS))
def test_every_gateway_has_a_form(ops: Client, name: str) -> None:
    answer = ops.get(reverse(ADD), {"gateway": name})
    assert answer.status_code == 200
    for field in GATEWAYS[name].account_fields:
        assert f'name="{"secret" if field.is_secret else "setting"}__{field.name}"' in answer.content.decode()


def test_credentials_are_stored_sealed_and_never_shown_and_settings_are(ops: Client, made: GatewayAccount) -> None:
    assert made.credentials == {
        "secret": "hush-hush-7",
        "private_key": "-----BEGIN-----\nhush-hush-8\n-----END-----",
    }
    assert (made.settings, made.gateway, made.base_url) == (
        {"shop_number": "4711"},
        "elsewhere",
        "https://api.elsewhere.example",
    )
    for address in (page(made), page(made, "history"), reverse("ops:payments_gatewayaccount_changelist")):
        text = ops.get(address).content.decode()
        assert not any(secret in text for secret in SECRETS)
    assert "4711" in ops.get(page(made)).content.decode()
    history = made.events.all().values() if hasattr(made, "events") else []
    assert not any(secret in str(list(history)) for secret in SECRETS)


def test_empty_credentials_keep_the_old_ones(ops: Client, made: GatewayAccount) -> None:
    before = made.credentials
    changed = ACCOUNT | {"name": "Renamed", "secret__secret": "", "secret__private_key": "", "setting__report": "daily"}
    assert ops.post(page(made), changed).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.credentials) == ("Renamed", before)
    assert made.settings == {"shop_number": "4711", "report": "daily"}


def test_a_rotated_secret_keeps_the_one_before_good_until_a_person_ends_that(ops: Client, made: GatewayAccount) -> None:
    ops.post(page(made), ACCOUNT | {"secret__secret": "new-secret-1", "secret__private_key": "new key"})
    made.refresh_from_db()
    assert made.credentials == {"secret": "new-secret-1", "secret_previous": "hush-hush-7", "private_key": "new key"}
    assert configuration_of(made).secrets_in_use("secret") == ("new-secret-1", "hush-hush-7")
    shown = ops.get(page(made)).content.decode()
    assert "the one before is still good" in shown
    assert "hush-hush-7" not in shown
    assert "new-secret-1" not in shown

    deed(ops, made, "end_rotation")
    made.refresh_from_db()
    assert made.credentials == {"secret": "new-secret-1", "private_key": "new key"}
    assert page(made, "end_rotation") not in ops.get(page(made)).content.decode()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"secret__secret": ""}, "secret__secret"),
        ({"setting__shop_number": ""}, "setting__shop_number"),
        ({"methods": ["telepathy"]}, "methods"),
        ({"methods": []}, "methods"),
        ({"currencies": ["JPY"]}, "currencies"),
        ({"countries": ["XX"]}, "countries"),
        ({"base_url": "ftp://elsewhere.example"}, "base_url"),
        ({"base_url": "https://user:word@elsewhere.example"}, "base_url"),
        ({"time_zone": "Moon/Crater"}, "time_zone"),
        ({"min_amount_minor": "10", "max_amount_minor": "5"}, "max_amount_minor"),
        ({"fee_basis_points": "10001"}, None),
    ],
)
def test_an_account_that_cannot_work_is_refused_and_the_secret_is_not_sent_back(
    ops: Client, wrong: dict[str, Any], field: str | None
) -> None:
    answer = ops.post(reverse(ADD), ACCOUNT | wrong)

    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert (field or "__all__") in errors
    assert not any(secret in answer.content.decode() for secret in SECRETS)
    assert not GatewayAccount.objects.exists()


def test_a_gateway_that_is_none_makes_no_account(ops: Client) -> None:
    assert ops.post(reverse(ADD), ACCOUNT | {"gateway": "nobody"}).status_code == 200
    assert not GatewayAccount.objects.exists()


def test_gateway_and_owner_of_an_account_are_fixed(ops: Client, account: GatewayAccount, merchant: Any) -> None:
    form = ACCOUNT | {"merchant": merchant.id, "base_url": "https://sandbox.example", "secret__secret": ""}
    assert ops.post(page(account), form).status_code == 302

    account.refresh_from_db()
    assert (account.gateway, account.merchant_id, account.name) == ("sandbox", None, "Second")
    assert account.credentials == {"secret": SANDBOX_SECRET}


# Production


def test_in_production_nothing_may_stand_in_for_the_provider(ops: Client, settings: Any) -> None:
    settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED = False
    refused = ops.post(reverse(ADD), ACCOUNT | {"base_url": "https://imitation.example"})
    assert "base_url" in refused.context["adminform"].form.errors
    assert not GatewayAccount.objects.exists()

    assert 'name="setting__root"' not in ops.get(reverse(ADD), {"gateway": "elsewhere"}).content.decode()
    trial = {"base_url": "https://trial.elsewhere.example/", "setting__root": "my own root"}
    assert ops.post(reverse(ADD), ACCOUNT | trial).status_code == 302
    made = GatewayAccount.objects.get()
    assert (made.base_url, made.settings) == ("https://trial.elsewhere.example", {"shop_number": "4711"})


def test_what_a_copied_database_brings_along_is_left_out_when_connecting_in_production(settings: Any) -> None:
    account = GatewayAccount(
        gateway="elsewhere",
        base_url="https://imitation.example",
        credentials={"secret": "s"},
        settings={"shop_number": "1", "root": "my own", "root_previous": "older"},
    )
    assert configuration_of(account).base_url == "https://imitation.example"
    assert configuration_of(account).settings["root"] == "my own"
    settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED = False
    configuration = configuration_of(account)
    assert configuration.base_url == "https://api.elsewhere.example"
    assert configuration.settings == {"shop_number": "1"}


def test_the_production_settings_do_not_allow_it() -> None:
    assert policy.PAYCORE_GATEWAYS_MAY_BE_REPLACED is False


# Test connection


def test_a_test_of_the_connection_shows_what_the_provider_says_without_secrets(
    ops: Client, made: GatewayAccount
) -> None:
    assert page(made, "test_connection") in ops.get(page(made)).content.decode()
    said = deed(ops, made, "test_connection")
    assert "Corner Shop (acct_7)" in said
    assert not any(secret in said for secret in SECRETS)


def test_a_connection_that_does_not_work_says_why_without_secrets(ops: Client, made: GatewayAccount) -> None:
    Elsewhere.said = GatewayRejected("no such key: hush-hush-7", code="account_misconfigured")
    said = deed(ops, made, "test_connection")
    assert "account_misconfigured" in said
    assert "no such key" in said
    assert not any(secret in said for secret in SECRETS)


def test_a_gateway_that_cannot_say_offers_no_test(ops: Client, account: GatewayAccount) -> None:
    if not hasattr(SandboxGateway, "probe"):
        assert page(account, "test_connection") not in ops.get(page(account)).content.decode()


# Fees and limits


def test_rates_and_limits_are_set_on_the_page_and_a_rate_by_volume_has_its_volume_counted(
    ops: Client, made: GatewayAccount
) -> None:
    changed = ACCOUNT | {
        "fees-TOTAL_FORMS": "1", "fees-0-account": made.id, "fees-0-method": "card", "fees-0-countries": "de,FR",
        "fees-0-currency": "EUR", "fees-0-basis_points": "90", "fees-0-fixed_minor": "5",
        "fees-0-from_volume_minor": "1000000",
        "quotas-TOTAL_FORMS": "1", "quotas-0-account": made.id, "quotas-0-currency": "USD", "quotas-0-period": "day",
        "quotas-0-max_count": "100",
    }  # fmt: skip
    answer = ops.post(page(made), changed)
    assert answer.status_code == 302, answer.context["errors"]
    fee = GatewayFee.objects.get()
    assert (fee.countries, fee.currency, fee.basis_points, fee.fixed_minor) == (["DE", "FR"], "EUR", 90, 5)
    quotas = GatewayQuota.objects.values_list("currency", "period", "max_count")
    assert set(quotas) == {("USD", "day", 100), ("EUR", "month", None)}


@pytest.mark.parametrize(
    "wrong", [{"fees-0-currency": ""}, {"fees-0-countries": "ATLANTIS"}, {"fees-0-countries": "XX"}]
)
def test_a_rate_that_makes_no_sense_is_refused(ops: Client, made: GatewayAccount, wrong: dict[str, str]) -> None:
    changed = ACCOUNT | {
        "fees-TOTAL_FORMS": "1", "fees-0-account": made.id, "fees-0-currency": "EUR", "fees-0-basis_points": "90",
        "fees-0-fixed_minor": "5", "fees-0-from_volume_minor": "0", "fees-0-countries": "",
    }  # fmt: skip
    assert ops.post(page(made), changed | wrong).status_code == 200
    assert not GatewayFee.objects.exists()


# Permissions


def staff_who_may(*codenames: str) -> Client:
    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="payments"))
    client = Client()
    client.force_login(user)
    return client


def test_who_may_only_look_sees_no_field_and_can_do_nothing(made: GatewayAccount) -> None:
    client = staff_who_may("view_gatewayaccount")
    shown = client.get(page(made)).content.decode()
    assert "Second" in shown
    assert "secret__secret" not in shown
    assert not any(secret in shown for secret in SECRETS)
    assert client.post(page(made), ACCOUNT | {"name": "Taken"}).status_code == 403
    assert client.post(page(made, "test_connection"), {"_form_submitted": "on"}).status_code == 403
    assert client.post(page(made, "end_rotation"), {"_form_submitted": "on"}).status_code == 403
    made.refresh_from_db()
    assert made.name == "Second"


def test_who_may_not_even_look_is_not_let_in(made: GatewayAccount) -> None:
    assert staff_who_may("view_order").get(page(made)).status_code == 403
