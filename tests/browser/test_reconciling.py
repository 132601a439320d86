"""What the provider's statement lacks is settled by two people, each in a browser of their own."""

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from reconciliation.discrepancies.models import Discrepancy
from tests.actors import assert_books_are_whole
from tests.browser.conftest import watch
from tests.browser.signed_in import open_as
from tests.browser.test_consoles import press
from tests.merchants.factories import make_user
from tests.reconciliation.conftest import Day, yesterday

__all__ = ["yesterday"]  # the fixture


@pytest.fixture
def found(address: str, yesterday: Day) -> Discrepancy:
    """A payment that we took and they do not list."""
    cache.clear()
    yesterday.paid(scenario="approve+statement_missing")
    yesterday.becomes_yesterday()
    for _statement in range(2):  # a line may come a day late
        yesterday.reconcile()
    return Discrepancy.objects.get()


def test_one_person_proposes_and_another_approves(
    page: Page, browser: Browser, address: str, found: Discrepancy
) -> None:
    first, second = (make_user(is_staff=True, is_superuser=True) for _person in range(2))
    open_as(page, address, site="ops", user=first)
    page.get_by_role("link", name="Unresolved discrepancies").click()
    page.get_by_role("link", name=found.id).click()
    press(page, "Propose", submit="Propose", Reason="The provider confirms by mail that it never had it")
    expect(page.get_by_text("Proposed. Another person decides.")).to_be_visible()
    press(page, "Approve", submit="Approve")
    expect(page.get_by_text("Approved and booked.")).to_have_count(0)
    assert Discrepancy.objects.get().status == "proposed"

    context = browser.new_context(locale="en-US")
    desk = context.new_page()
    wrong = watch(desk, allowed=(f"{address}/", "data:"))
    open_as(desk, address, site="ops", user=second)
    desk.goto(page.url)
    press(desk, "Approve", submit="Approve", Note="Seen")
    expect(desk.get_by_text("Approved and booked.")).to_be_visible()
    context.close()

    assert wrong == []
    found.refresh_from_db()
    assert found.status == "resolved"
    assert_books_are_whole()
