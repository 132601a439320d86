"""A console that is open already: the two steps have a test of their own, and cost seconds."""

from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import User


def open_as(page: Page, address: str, *, site: str, user: User) -> None:
    """Both steps are marked as done (tests/conftest.py does so for every client that is logged in by force)."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": address}])
    page.goto(f"{address}/{site}/")
    expect(page.locator("#header-inner")).to_be_visible()
