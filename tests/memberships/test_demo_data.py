"""The demo's members have a past that the services made, the books agree with it, and their code is nobody else's."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from memberships.demo_data import FOUNDERS, WELCOME, seed_members
from memberships.invoices.checks import run_checks
from memberships.models import MembershipMonth, Subscription, TaxRate
from merchants.queries import platform_merchant
from payments.orders.models import Order
from payments.promotions.models import Promotion
from tests.actors import run_background
from tests.api.row_counts import no_row_changes

pytestmark = pytest.mark.django_db


@pytest.fixture
def seeded(settings: Any, tmp_path: Path) -> None:
    settings.PAYCORE_SANDBOX_MODE, settings.STATE_DIR = True, tmp_path
    call_command("seed_demo")


@pytest.mark.usefixtures("seeded")
def test_the_report_has_a_year_and_no_money_was_asked_for() -> None:
    assert MembershipMonth.objects.values("month").distinct().count() >= 11
    assert set(Subscription.objects.values_list("status", flat=True)) == {"active", "trialing", "ended"}
    assert not Order.objects.exists()
    run_background()
    assert run_checks() == []


@pytest.mark.usefixtures("seeded")
def test_seeding_again_changes_nothing_and_the_founders_code_is_over() -> None:
    codes = dict(Promotion.objects.values_list("codes__code", "status"))
    assert (codes[WELCOME], codes[FOUNDERS]) == ("active", "ended")
    assert TaxRate.objects.filter(country="DE").count() == 1
    with no_row_changes():
        seed_members(seller=platform_merchant())
