"""A business applies, hands in its papers, is approved, and finds its keys: all of it by click."""

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from merchants.models import Merchant
from tests.browser.conftest import watch
from tests.browser.signed_in import open_as
from tests.browser.test_consoles import press
from tests.browser.test_signing_in import give_code, give_password
from tests.merchants.applications import PDF
from tests.merchants.factories import make_user
from tests.phone import PASSWORD, Phone


@pytest.fixture(autouse=True)
def _no_attempts_left_over(address: str) -> None:
    cache.clear()


def upload(page: Page, address: str, *, kind: str) -> None:
    page.goto(f"{address}/merchant/merchants/merchantdocument/add/")
    page.locator("select[name=kind]").select_option(kind)
    page.locator("input[type=file]").set_input_files(
        {"name": f"{kind}.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


def test_a_business_applies_and_is_approved_and_finds_its_keys(page: Page, browser: Browser, address: str) -> None:
    owner = make_user()
    phone = Phone.of(owner)
    page.goto(f"{address}/merchant/apply")
    page.get_by_label("Name of your business").fill("Corner Shop")
    page.locator("select[name=country]").select_option("SG")
    page.locator("input[name=username]").fill(str(owner.email))
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Apply").click()
    give_password(page, address, site="merchant", user=owner)
    give_code(page, phone.code())

    expect(page.get_by_role("heading", name="Still missing")).to_be_visible()
    page.locator("input[name=legal_name]").fill("Corner Shop Ltd")
    page.locator("select[name=business_kind]").select_option("company")
    page.locator("input[name=registration_number]").fill("HRB 0815")
    page.locator("input[name=website]").fill("https://shop.example")
    page.locator("input[name=support_email]").fill("help@shop.example")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    for kind in ("registration", "identity", "bank_proof"):
        upload(page, address, kind=kind)
    page.goto(f"{address}/merchant/")
    press(page, "Submit for review", submit="Submit")
    expect(page.get_by_text("Your application was submitted.")).to_be_visible()
    merchant = Merchant.objects.get()
    assert merchant.status == "submitted"

    context = browser.new_context(locale="en-US")
    desk = context.new_page()
    wrong = watch(desk, allowed=(f"{address}/", "data:"))
    open_as(desk, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    desk.get_by_role("link", name="Merchants to review").click()
    desk.get_by_role("link", name="Corner Shop").first.click()
    fees = {"Fee in percent": "2.9", "Fixed fee": "0.30"}
    press(desk, "Approve", submit="Approve", **fees)
    expect(desk.locator("#dialog")).to_be_hidden()
    expect(desk.get_by_text("Approved").first).to_be_visible()
    context.close()
    assert wrong == []

    page.goto(f"{address}/merchant/")
    expect(page.get_by_text("Paid today")).to_be_visible()
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    merchant.refresh_from_db()
    assert (merchant.status, merchant.fee_basis_points) == ("approved", 290)
