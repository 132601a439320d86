"""A member's page for staff, the report, and what members see without signing in: their receipt."""

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from memberships.invoices.links import receipt_url
from memberships.models import Invoice, Price, Subscription
from memberships.reports.counting import count_due_months
from merchants.models import Merchant
from paycore.clock import database_now
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, run_background
from tests.browser.signed_in import open_as
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import join
from tests.merchants.factories import make_member, make_user

MEMBERS = "ops/memberships/subscription"
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def premium(address: str, platform: Merchant, account: GatewayAccount) -> Price:
    cache.clear()
    return make_catalogue()


@pytest.fixture
def member(app_user: AppUser, premium: Price) -> Subscription:
    joined = join(app_user, premium)
    run_background()
    return joined


def test_staff_find_a_member_and_read_what_happened(page: Page, address: str, member: Subscription) -> None:
    open_as(page, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    page.goto(f"{address}/{MEMBERS}/?q={member.id}")
    page.get_by_role("link", name=member.id).click()
    for panel in ("What happened", "Periods", "Invoices", "Payments", "What the member may use"):
        expect(page.get_by_role("heading", name=panel, exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="Started", exact=True)).to_be_visible()
    assert _sideways(page) == 0  # seven deeds beside the page's name
    page.set_viewport_size(NARROW)
    assert _sideways(page) == 0


def test_a_form_with_two_moments_side_by_side_stays_on_the_screen(page: Page, address: str, merchant: Merchant) -> None:
    open_as(page, address, site="merchant", user=make_member(merchant=merchant, role="owner").user)
    page.goto(f"{address}/merchant/payments/promotion/add/")
    for width in (1280, 1024, 390):
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.get_by_text("Ends", exact=True)).to_be_visible()
        assert _sideways(page) == 0


def test_a_deed_is_previewed_before_it_is_done(page: Page, address: str, member: Subscription) -> None:
    open_as(page, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    page.goto(f"{address}/{MEMBERS}/?q={member.id}")
    page.get_by_role("link", name=member.id).click()
    page.locator("#header-inner").get_by_role("link", name="Extend").click()
    page.get_by_label("Reason").fill("The service was down on Sunday")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("The service was down on Sunday")).to_be_visible()


def test_the_report_draws_a_members_month(page: Page, address: str, member: Subscription) -> None:
    count_due_months(now=database_now())
    open_as(page, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    page.goto(f"{address}/ops/memberships/membershipmonth/")
    expect(page.get_by_text("Members who pay")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.set_viewport_size(NARROW)
    assert _sideways(page) == 0


def test_a_member_opens_the_receipt_from_the_mail(page: Page, address: str, member: Subscription) -> None:
    invoice = Invoice.objects.get(subscription=member)
    page.set_viewport_size(NARROW)
    page.goto(receipt_url(invoice.id))
    expect(page.get_by_text(invoice.number).first).to_be_visible()
    assert _sideways(page) == 0
    pdf = page.get_by_role("link", name="Download as PDF").get_attribute("href") or ""
    assert page.request.get(f"{address}{pdf}" if pdf.startswith("/") else pdf).body().startswith(b"%PDF")


def _sideways(page: Page) -> int:
    """How many pixels must be scrolled to the side."""
    root = "document.documentElement"
    pixels: int = page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
    return pixels
