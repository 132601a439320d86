"""Saved methods as time goes by: expiry reminders, erasure, export, what staff and merchants see of them."""

from datetime import date

import pytest
from django.test import Client

from accounts.models import User
from merchants.models import Merchant
from paycore.models import Notification
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.methods.erasure import forget_methods
from payments.methods.models import GatewayCustomer, Mandate, PaymentMethod
from payments.methods.reminders import remind_of_expiry
from payments.personal_data import collect_orders
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, MerchantServer, run_background
from tests.merchants.factories import make_user
from tests.merchants.hooks import listen
from tests.payments.test_admin import act, page
from tests.payments.test_methods import CONSENT, delete, look_at_everything, saved

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(account: GatewayAccount, platform: Merchant) -> None:
    """A gateway account that keeps cards, and the platform as who may charge."""


def expiring(user: AppUser, *, year: int, month: int) -> str:
    card: str = saved(user)["id"]
    PaymentMethod.objects.filter(id=card).update(expiry_year=year, expiry_month=month)
    return card


def reminders() -> list[str]:
    return sorted(Notification.objects.filter(template="card_expiring").values_list("key", flat=True))


def test_owner_hears_thirty_and_seven_days_before_the_card_ends_and_once_each(app_user: AppUser) -> None:
    card = expiring(app_user, year=2027, month=2)
    days = [date(2027, 1, 28), date(2027, 1, 29), date(2027, 1, 30), date(2027, 2, 20), date(2027, 2, 21)]
    told = [remind_of_expiry(today=day) for day in [*days, date(2027, 2, 28), date(2027, 3, 1)]]
    assert told == [0, 1, 0, 0, 1, 0, 0]
    assert reminders() == [f"card_expiring:{card}:2027-01-29", f"card_expiring:{card}:2027-02-21"]


def test_days_on_which_nobody_looked_are_made_up_for_with_the_last_reminder_only(app_user: AppUser) -> None:
    card = expiring(app_user, year=2027, month=2)
    assert remind_of_expiry(today=date(2027, 2, 25)) == 1
    assert remind_of_expiry(today=date(2027, 2, 26)) == 0
    assert reminders() == [f"card_expiring:{card}:2027-02-21"]


def test_renewed_card_is_reminded_of_anew_and_a_removed_one_never(app_user: AppUser) -> None:
    card = expiring(app_user, year=2027, month=2)
    remind_of_expiry(today=date(2027, 2, 22))
    PaymentMethod.objects.filter(id=card).update(expiry_year=2028)
    assert remind_of_expiry(today=date(2028, 2, 1)) == 1
    delete(app_user, f"/payment-methods/{card}")
    assert remind_of_expiry(today=date(2028, 2, 25)) == 0


def test_reminder_says_which_card_and_when(app_user: AppUser) -> None:
    card = expiring(app_user, year=2027, month=2)
    remind_of_expiry(today=date(2027, 2, 22))
    words = Notification.objects.get(template="card_expiring").context
    assert (words["expiry"], words["last4"]) == ("02/2027", PaymentMethod.objects.get(id=card).last4)


def test_erasure_ends_everything_and_still_tells_the_provider(app_user: AppUser, sandbox: SandboxProvider) -> None:
    saved(app_user, mandate=CONSENT)
    saved(app_user, scenario="approve+later_decline")
    forget_methods(app_user.user.id)
    assert set(PaymentMethod.objects.values_list("status", "last4", "expiry_year")) == {("removed", "", None)}
    mandate = Mandate.objects.get()
    assert (mandate.status, mandate.ended_by, mandate.ip_address, mandate.user_agent) == ("ended", "erased", None, "")
    assert not GatewayCustomer.objects.exists()
    look_at_everything()
    assert sandbox.book.rows("SELECT DISTINCT state FROM keep") == [("GONE",)]
    assert not PaymentMethod.objects.filter(token__isnull=False).exists()


def test_export_holds_methods_and_consents_and_no_token(app_user: AppUser) -> None:
    saved(app_user, mandate=CONSENT)
    document = collect_orders(app_user.user.id).document
    [method] = document["payment_methods"]
    assert method["mandates"][0]["ip_address"] == "127.0.0.1"
    assert str(PaymentMethod.objects.get().token) not in str(document)


def test_merchant_hears_of_its_mandates_only(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    listen(merchant)
    saved(app_user, mandate=CONSENT)  # the platform's
    again = app_user.post(
        "/payment-methods",
        {"method": "card", "currency": "USD", "merchant": merchant.id, "mandate": CONSENT}
        | {"options": {"sandbox": {"scenario": "approve+later_decline"}}},
    ).json()
    delete(app_user, f"/payment-methods/{again['id']}")
    run_background()
    news = merchant_server.get("/merchant/events").json()["data"]
    assert [row["type"] for row in news] == ["mandate.agreed", "mandate.ended"]
    assert news[1]["data"]["payment_method"] == again["id"]


# --- staff ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(client: Client) -> Client:
    boss: User = make_user(is_staff=True, is_superuser=True)
    client.force_login(boss)
    return client


def test_staff_find_methods_and_mandates_and_see_no_token(staff: Client, app_user: AppUser) -> None:
    card = saved(app_user, mandate=CONSENT)
    mandate, row = Mandate.objects.get(), PaymentMethod.objects.get(id=card["id"])
    for address in (
        f"/ops/payments/paymentmethod/?q={row.id}",
        f"/ops/payments/paymentmethod/?q={app_user.user.id}",
        f"/ops/payments/paymentmethod/?q={mandate.id}",
        page(row),
        f"/ops/payments/mandate/?q={mandate.id}",
        f"/ops/payments/mandate/?q={app_user.user.id}",
        page(mandate),
    ):
        shown = staff.get(address)
        assert shown.status_code == 200, address
        text = shown.content.decode()
        assert mandate.id in text or row.id in text, address
        assert str(row.token) not in text


def test_staff_end_a_mandate_with_a_reason(staff: Client, app_user: AppUser) -> None:
    saved(app_user, mandate=CONSENT)
    mandate = Mandate.objects.get()
    assert staff.get(page(mandate, "end")).status_code == 200
    mandate.refresh_from_db()
    assert mandate.status == "active"
    act(staff, mandate, "end", reason="The payer called.")
    mandate.refresh_from_db()
    assert (mandate.status, mandate.end_reason) == ("ended", "The payer called.")
    assert mandate.ended_by.startswith("staff usr_")
