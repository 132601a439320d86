"""Cases and limits as staff see and decide them."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.money import Money
from riskcontrol.admin import waiting_cases
from riskcontrol.decisions import PaymentOverLimit, assess
from riskcontrol.models import Case, PaymentLimit
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db

CASES = "ops:riskcontrol_case_changelist"
LIMITS = "ops:riskcontrol_paymentlimit"


def resolve(client: Client, case: Case, note: str = "checked by phone") -> Any:
    address = reverse("ops:riskcontrol_case_resolve", args=[quote(case.id)])
    return client.post(address, {"_form_submitted": "on", "note": note}, follow=True)


@pytest.fixture
def boss() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


@pytest.fixture
def case(merchant: Merchant) -> Case:
    return Case.objects.create(
        kind="stuck", object_id="pay_01jd", merchant=merchant, facts={"status": "submitting", "asked": {"times": 9}}
    )


def test_a_case_leads_to_what_it_is_about(ops: Client, case: Case) -> None:
    text = ops.get(reverse("ops:riskcontrol_case_change", args=[quote(case.id)])).content.decode()

    assert reverse("ops:payments_payment_change", args=[quote("pay_01jd")]) in text
    assert "submitting" in text
    assert "times: 9" in text


def test_a_case_about_nothing_known_is_shown_without_a_link(ops: Client) -> None:
    Case.objects.create(kind="unknown_payment", object_id="<b>anything</b>", facts={})

    text = ops.get(reverse(CASES)).content.decode()

    assert "&lt;b&gt;anything" in text


def test_open_cases_come_first(ops: Client, case: Case) -> None:
    closed = Case.objects.create(kind="stuck", object_id="pay_02", status="resolved")

    text = ops.get(reverse(CASES)).content.decode()

    assert text.index(case.id) < text.index(closed.id)


def test_a_person_resolves_a_case_with_a_note(ops: Client, boss: User, case: Case) -> None:
    answer = resolve(ops, case)

    case.refresh_from_db()
    assert "The case is closed." in answer.content.decode()
    assert (case.status, case.resolution, case.resolved_by) == ("resolved", "checked by phone", boss)
    assert case.resolved_at is not None


def test_a_case_is_not_resolved_twice(ops: Client, case: Case) -> None:
    resolve(ops, case)
    again = resolve(ops, case, note="and again")

    case.refresh_from_db()
    assert "closed already" in again.content.decode()
    assert case.resolution == "checked by phone"


def test_resolving_an_old_case_leaves_the_open_one_about_the_same_object(ops: Client, case: Case) -> None:
    old = Case.objects.create(kind="stuck", object_id=case.object_id, status="resolved", resolution="first time")

    resolve(ops, old)

    case.refresh_from_db()
    old.refresh_from_db()
    assert (case.status, old.resolution) == ("open", "first time")


@pytest.mark.parametrize("kind", ["stuck", "surplus_payment"])
def test_a_case_needs_a_note_and_surplus_money_a_deed(ops: Client, kind: str) -> None:
    case = Case.objects.create(kind=kind, object_id="pay_03")

    resolve(ops, case, note="" if kind == "stuck" else "I looked at it")

    case.refresh_from_db()
    assert (case.status, case.resolution) == ("open", "")


def test_who_may_only_look_resolves_nothing(case: Case) -> None:
    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_case"))
    client = Client()
    client.force_login(user)

    assert client.get(reverse(CASES)).status_code == 200
    assert resolve(client, case).status_code == 403
    case.refresh_from_db()
    assert case.status == "open"


def test_the_overview_counts_what_waits(boss: User, case: Case) -> None:
    Case.objects.create(kind="stuck", object_id="pay_02", status="resolved")
    request = RequestFactory().get("/")
    request.user = boss

    (card,) = waiting_cases(request).cards
    assert (card.value, card.tone) == ("1", "warning")
    request.user = make_user(is_staff=True)
    assert waiting_cases(request).cards == ()


def test_a_limit_is_written_as_people_write_money_and_holds_at_once(ops: Client, merchant: Merchant) -> None:
    assess(merchant_id=merchant.id, amount=Money(1_000, "USD"))

    answer = ops.post(reverse(f"{LIMITS}_add"), {"merchant": "", "currency": "USD", "major": "9.99"})

    assert answer.status_code == 302
    assert PaymentLimit.objects.get().max_amount_minor == 999
    with pytest.raises(PaymentOverLimit):
        assess(merchant_id=merchant.id, amount=Money(1_000, "USD"))


def test_a_limit_is_raised_but_stays_whose_it_is(ops: Client, merchant: Merchant) -> None:
    limit = PaymentLimit.objects.create(merchant=merchant, currency="JPY", max_amount_minor=500)
    address = reverse(f"{LIMITS}_change", args=[quote(limit.id)])
    assert 'value="500"' in ops.get(address).content.decode()

    assert ops.post(address, {"merchant": "", "currency": "USD", "major": "900"}).status_code == 302

    limit.refresh_from_db()
    assert (limit.merchant, limit.currency, limit.max_amount_minor) == (merchant, "JPY", 900)


@pytest.mark.parametrize("major", ["0", "-5", "1.001", "much", "99999999999999999999"])
def test_an_impossible_limit_is_refused(ops: Client, major: str) -> None:
    answer = ops.post(reverse(f"{LIMITS}_add"), {"merchant": "", "currency": "USD", "major": major})

    assert answer.status_code == 200
    assert not PaymentLimit.objects.exists()


def test_a_second_limit_for_the_same_is_refused(ops: Client) -> None:
    PaymentLimit.objects.create(merchant=None, currency="USD", max_amount_minor=500)

    answer = ops.post(reverse(f"{LIMITS}_add"), {"merchant": "", "currency": "USD", "major": "9.99"})

    assert answer.status_code == 200
    assert PaymentLimit.objects.get().max_amount_minor == 500


def test_no_limit_is_deleted(ops: Client) -> None:
    limit = PaymentLimit.objects.create(merchant=None, currency="USD", max_amount_minor=500)

    assert ops.post(reverse(f"{LIMITS}_delete", args=[quote(limit.id)]), {"post": "yes"}).status_code == 403
    assert PaymentLimit.objects.count() == 1
