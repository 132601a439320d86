"""Both steps of a console's sign-in, the security page and the merchant switcher in a real browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.models import User
from merchants.services import add_member
from paycore.sites.second_factors import has_passkey
from tests.browser.conftest import watch
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.phone import PASSWORD, Phone

PHONE = {"width": 360, "height": 740}


@pytest.fixture(autouse=True)
def _no_attempts_left_over() -> None:
    cache.clear()


@pytest.fixture
def phone_page(browser: Browser, address: str) -> Iterator[Page]:
    """A narrow, dark, Chinese browser in which nothing may go wrong."""
    context = browser.new_context(viewport=PHONE, color_scheme="dark", locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong = watch(page, allowed=(f"{address}/", "data:"))
    yield page
    context.close()
    assert wrong == []


def picture(page: Page, name: str) -> None:
    """Kept when somebody wants to look: PAYCORE_PICTURES names the folder."""
    if folder := os.environ.get("PAYCORE_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def give_password(page: Page, address: str, *, site: str, user: User) -> None:
    page.goto(f"{address}/{site}/")
    page.locator("input[name=username]").fill(str(user.email))
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("#login-form button[type=submit]").click()


def give_code(page: Page, code: str) -> None:
    page.locator("input[name=code]").fill(code)
    page.locator("form:has(input[name=code]) button[type=submit]").click()


def enter(page: Page, address: str, *, site: str, user: User, phone: Phone) -> None:
    give_password(page, address, site=site, user=user)
    give_code(page, phone.code())
    page.wait_for_url(f"{address}/{site}/")


def add_virtual_passkey(context: BrowserContext, page: Page) -> None:
    """The browser's own stand-in for a fingerprint reader."""
    tools: Any = context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_newcomer_sets_up_the_second_step_and_keeps_the_codes(page: Page, address: str) -> None:
    user = make_user(is_staff=True, is_superuser=True)
    give_password(page, address, site="ops", user=user)
    expect(page.get_by_role("heading", name="Set up the second step")).to_be_visible()
    code = page.get_by_role("img", name=re.compile("QR"))
    assert code.evaluate("image => image.naturalWidth") > 100
    page.get_by_text("Or type the key by hand").click()
    secret = page.locator("code.console-secret").inner_text().replace(" ", "")
    picture(page, "enrol")

    give_code(page, "000000")
    expect(page.get_by_text("not the code that the app shows")).to_be_visible()
    assert page.locator("code.console-secret").text_content() is not None
    give_code(page, Phone(secret).code())

    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    assert page.locator(".console-codes li").count() == 10
    with page.expect_download() as download:
        page.get_by_role("link", name="Download them as a file").click()
    kept = Path(download.value.path()).read_text().split()
    assert kept == page.locator(".console-codes li").all_inner_texts()
    picture(page, "recovery-codes")
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_second_step_on_a_dark_chinese_phone(phone_page: Page, address: str) -> None:
    user = make_member(merchant=make_merchant()).user
    phone = Phone.of(user)
    give_password(phone_page, address, site="merchant", user=user)
    expect(phone_page.locator("html")).to_have_attribute("lang", "zh-hans")
    assert fits(phone_page)
    picture(phone_page, "second-step-phone")

    give_code(phone_page, phone.wrong_code())
    expect(phone_page.locator("input[name=code]")).to_be_visible()
    give_code(phone_page, phone.code())

    phone_page.wait_for_url(f"{address}/merchant/")
    phone_page.goto(f"{address}/merchant/security/")
    assert fits(phone_page)
    picture(phone_page, "security-phone")


def test_newcomer_sets_up_the_second_step_on_a_phone(phone_page: Page, address: str) -> None:
    give_password(phone_page, address, site="merchant", user=make_member(merchant=make_merchant()).user)
    expect(phone_page.locator(".console-qr")).to_be_visible()
    assert fits(phone_page)
    picture(phone_page, "enrol-phone")


def test_a_passkey_is_added_and_opens_the_console(page: Page, address: str) -> None:
    user = make_user(is_staff=True, is_superuser=True)
    add_virtual_passkey(page.context, page)
    enter(page, address, site="ops", user=user, phone=Phone.of(user))
    page.goto(f"{address}/ops/security/")
    page.get_by_label("Name of a new passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey was added.")).to_be_visible()
    assert has_passkey(user)
    picture(page, "security")

    page.context.clear_cookies()
    give_password(page, address, site="ops", user=user)
    page.get_by_role("button", name="Use a passkey").click()

    page.wait_for_url(f"{address}/ops/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_person_with_two_shops_switches_between_them(page: Page, address: str) -> None:
    member = make_member(merchant=make_merchant(name="First shop"))
    second = make_merchant(name="Second shop")
    add_member(merchant=second, user=member.user, role="owner")
    enter(page, address, site="merchant", user=member.user, phone=Phone.of(member.user))
    picture(page, "switcher")

    page.get_by_label("Acting for").select_option("Second shop")
    page.wait_for_load_state()
    expect(page.get_by_label("Acting for")).to_have_value(second.id)
    page.goto(f"{address}/merchant/merchants/merchantmember/")

    expect(page.get_by_label("Acting for")).to_have_value(second.id)
