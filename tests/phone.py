"""A person's authenticator app, and the way through both steps of a console's sign-in."""

import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.utils import encrypt
from django.test import Client
from django.urls import reverse

from paycore.sites import second_step
from paycore.sites.second_factors import PERIOD_SECONDS
from tests.merchants.factories import make_member, make_merchant, make_user

PASSWORD = "correct horse"
SECONDS_TO_TYPE = 5


class Phone:
    """Shows codes that were not shown before: three within one period, for the server allows for a slow clock."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret or generate_totp_secret()
        self._last_step = 0

    @classmethod
    def of(cls, user: Any) -> "Phone":
        """A phone that ``user`` enrolled earlier."""
        phone = cls()
        data = {"secret": encrypt(phone.secret)}
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
        return phone

    def code(self) -> str:
        # The oldest one that is still taken, unless it would be too old by the time a slow browser has sent it.
        oldest = int(time.time() + SECONDS_TO_TYPE) // PERIOD_SECONDS - 1
        self._last_step = max(oldest, self._last_step + 1)
        return self._shown(self._last_step)

    def wrong_code(self) -> str:
        now = int(time.time()) // PERIOD_SECONDS
        good = {self._shown(now + offset) for offset in range(-2, 4)}
        return next(code for code in map("{:06d}".format, range(10)) if code not in good)

    def _shown(self, step: int) -> str:
        return str(format_hotp_value(hotp_value(self.secret, step)))


def mark_both_steps(client: Client, user: Any) -> None:
    """For a client that is logged in already: as if ``user`` had walked through the second step as well."""
    session = client.session
    session[second_step._PASSED] = second_step._proof(user)
    session.save()


def give_password(client: Client, *, site: str, email: str | None, password: str = PASSWORD) -> int:
    address = reverse(f"{site}:login")
    return client.post(address, {"username": email, "password": password, "next": reverse(f"{site}:index")}).status_code


def give_code(client: Client, *, site: str, code: str) -> int:
    return client.post(reverse(f"{site}:second_step"), {"code": code}).status_code


def is_inside(client: Client, *, site: str) -> bool:
    return client.get(reverse(f"{site}:index")).status_code == 200


def somebody_of(site: str):  # type: ignore[no-untyped-def]  # the user model is the accounts app's
    return make_user(is_staff=True, is_superuser=True) if site == "ops" else make_member(merchant=make_merchant()).user


def enter(client: Client, *, site: str, user, phone: Phone) -> None:  # type: ignore[no-untyped-def]
    assert give_password(client, site=site, email=user.email) == 302
    assert give_code(client, site=site, code=phone.code()) == 302
    assert is_inside(client, site=site)


def enrol_by_hand(client: Client, *, site: str, user) -> list[str]:  # type: ignore[no-untyped-def]
    """Through the pages, as a person does it the first time."""
    give_password(client, site=site, email=user.email)
    answer = client.get(reverse(f"{site}:second_step"))
    assert answer["Location"].startswith(reverse(f"{site}:enrol"))
    page = client.get(reverse(f"{site}:enrol"))
    secret = page.context["found"].secret
    assert page.context["found"].spaced_secret in page.content.decode()
    done = client.post(reverse(f"{site}:enrol"), {"code": Phone(secret).code()})
    assert done.status_code == 200
    assert "no-store" in done["Cache-Control"]
    codes: list[str] = done.context["codes"]
    assert all(code in done.content.decode() for code in codes)
    return codes
