"""Limits as staff write and read them."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant
from riskcontrol.admin.limits import sentence
from riskcontrol.decisions import PaymentOverLimit, assess
from riskcontrol.models import PaymentLimit
from tests.riskcontrol.scenes import attempt, limit

pytestmark = pytest.mark.django_db

LIMITS = "ops:riskcontrol_paymentlimit"
FORM = {"kind": "payment", "counted_per": "user", "merchant": "", "kyc_level": "", "method": "", "is_active": "on"}


def add(client: Client, **fields: Any) -> Any:
    return client.post(reverse(f"{LIMITS}_add"), FORM | fields)


def test_a_limit_is_written_as_people_write_money_and_holds_at_once(ops: Client, merchant: Merchant) -> None:
    assess(attempt(merchant, 1_000))

    assert add(ops, currency="USD", major="9.99").status_code == 302

    assert PaymentLimit.objects.get().max_amount_minor == 999
    with pytest.raises(PaymentOverLimit):
        assess(attempt(merchant, 1_000))


def test_a_limit_is_raised_but_stays_whose_it_is(ops: Client, merchant: Merchant) -> None:
    made = limit(500, merchant=merchant, currency="JPY")
    address = reverse(f"{LIMITS}_change", args=[quote(made.id)])
    assert 'value="500"' in ops.get(address).content.decode()

    posted = {"merchant": "", "currency": "USD", "kind": "day_sum", "major": "900", "is_active": "on"}
    assert ops.post(address, posted).status_code == 302

    made.refresh_from_db()
    assert (made.merchant, made.currency, made.kind, made.max_amount_minor) == (merchant, "JPY", "payment", 900)


def test_a_limit_is_switched_off(ops: Client, merchant: Merchant) -> None:
    made = limit(5)

    ops.post(reverse(f"{LIMITS}_change", args=[quote(made.id)]), {"major": "0.05"})

    made.refresh_from_db()
    assert not made.is_active
    assert assess(attempt(merchant, 1_000)).action == "allow"


def test_a_number_of_payments_is_a_limit_too(ops: Client, merchant: Merchant) -> None:
    answer = add(ops, kind="hour_count", counted_per="merchant", merchant=merchant.id, kyc_level="1", max_count="7")

    assert answer.status_code == 302
    made = PaymentLimit.objects.get()
    assert (made.max_count, made.max_amount_minor, made.currency, made.kyc_level) == (7, None, "", 1)
    address = reverse(f"{LIMITS}_change", args=[quote(made.id)])
    assert ops.post(address, {"max_count": "9", "is_active": "on"}).status_code == 302
    made.refresh_from_db()
    assert made.max_count == 9


@pytest.mark.parametrize("major", ["0", "-5", "1.001", "much", "99999999999999999999", ""])
def test_an_impossible_amount_is_refused(ops: Client, major: str) -> None:
    answer = add(ops, currency="USD", major=major)

    assert answer.status_code == 200
    assert not PaymentLimit.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "day_count"},
        {"kind": "day_count", "max_count": "0"},
        {"kind": "day_count", "max_count": "5", "major": "9.99"},
        {"kind": "day_sum", "major": "9.99"},
        {"kind": "day_sum", "major": "9.99", "currency": "USD", "max_count": "3"},
        {"kind": "week_sum", "major": "9.99", "currency": "USD"},
    ],
)
def test_a_limit_that_mixes_amount_and_number_is_refused(ops: Client, fields: dict[str, str]) -> None:
    assert add(ops, **fields).status_code == 200
    assert not PaymentLimit.objects.exists()


def test_a_second_limit_for_the_same_is_refused(ops: Client) -> None:
    limit(500)

    assert add(ops, currency="USD", major="9.99").status_code == 200
    assert PaymentLimit.objects.get().max_amount_minor == 500


def test_no_limit_is_deleted(ops: Client) -> None:
    made = limit(500)

    assert ops.post(reverse(f"{LIMITS}_delete", args=[quote(made.id)]), {"post": "yes"}).status_code == 403
    assert PaymentLimit.objects.count() == 1


def test_who_may_only_look_changes_nothing(staff_who_may: Any) -> None:
    made = limit(500)
    client = staff_who_may("view_paymentlimit")
    address = reverse(f"{LIMITS}_change", args=[quote(made.id)])

    assert "$5.00" in client.get(address).content.decode()
    assert client.post(address, {"major": "9.99", "is_active": "on"}).status_code == 403
    assert add(client, currency="EUR", major="9.99").status_code == 403
    assert PaymentLimit.objects.get().max_amount_minor == 500


def test_a_limit_reads_as_a_sentence(ops: Client, merchant: Merchant) -> None:
    narrow = limit(50_000, kind="day_sum", merchant=merchant, kyc_level=1, method="card")
    many = limit(kind="day_count", max_count=20)

    said = sentence(narrow)
    assert said.startswith("Each payer may pay at most $500.00 a day. Only for: merchant Corner Shop, identity level: ")
    assert said.endswith(", method card.")
    assert sentence(many) == "Payments of each payer in a day: at most 20."
    assert "Each payer may pay at most $500.00 a day." in ops.get(reverse(f"{LIMITS}_changelist")).content.decode()


def test_limits_are_filtered_and_found(ops: Client, merchant: Merchant) -> None:
    own, everybodys = limit(700, merchant=merchant), limit(kind="day_count", max_count=20)
    page = reverse(f"{LIMITS}_changelist")

    found = ops.get(page, {"q": "Corner"}).content.decode()
    counted = ops.get(page, {"kind__exact": "day_count"}).content.decode()

    assert (own.id in found, everybodys.id in found) == (True, False)
    assert (own.id in counted, everybodys.id in counted) == (False, True)
