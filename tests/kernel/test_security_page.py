"""What a person changes about how they sign in to a console, and what it takes."""

import json
import time
from collections.abc import Iterator
from io import StringIO

import pytest
import redis
import time_machine
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.urls import reverse

from paycore.sites.second_factors import (
    demo_code,
    use_code,
)
from paycore.sites.second_step import RECENT_SECONDS
from tests.merchants.factories import make_user
from tests.phone import Phone, enrol_by_hand, enter, give_code, give_password, is_inside, somebody_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_attempts_left_over() -> Iterator[None]:
    store = redis.Redis.from_url(settings.REDIS_URL)
    for key in store.scan_iter("paycore:console:*"):
        store.delete(key)
    yield
    for key in store.scan_iter("paycore:console:*"):
        store.delete(key)


def test_changing_a_factor_wants_a_proof_of_the_last_minutes(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    enter(client, site="ops", user=user, phone=phone)
    with time_machine.travel(time.time() + RECENT_SECONDS + 1, tick=True):
        for deed in ("renew_codes", "remove", "add_passkey", "replace_authenticator"):
            answer = client.post(
                reverse("ops:security"), {"deed": deed, "authenticator": Authenticator.objects.get().id}
            )
            assert answer["Location"].startswith(reverse("ops:second_step")), deed
        assert client.get(reverse("ops:enrol"))["Location"].startswith(reverse("ops:second_step"))
        assert Authenticator.objects.count() == 1

        old_key = client.session.session_key
        assert give_code(client, site="ops", code=phone.code()) == 302
        assert client.session.session_key != old_key
        answer = client.post(reverse("ops:security"), {"deed": "renew_codes"})

    assert answer.status_code == 200
    assert len(answer.context["codes"]) == 10
    assert Authenticator.objects.count() == 2


def test_new_recovery_codes_end_the_old_ones(client: Client) -> None:
    user = somebody_of("ops")
    old = enrol_by_hand(client, site="ops", user=user)

    new = client.post(reverse("ops:security"), {"deed": "renew_codes"}).context["codes"]

    assert not set(old) & set(new)
    assert not use_code(user, old[0])
    assert use_code(user, new[0])


def test_the_last_factor_stays_and_anothers_is_not_touched(client: Client) -> None:
    user, other = somebody_of("ops"), somebody_of("ops")
    Phone.of(user)
    Phone.of(other)
    client.force_login(user)

    for row in Authenticator.objects.all():
        client.post(reverse("ops:security"), {"deed": "remove", "authenticator": row.id})

    assert Authenticator.objects.filter(type="totp").count() == 2


# Where the passkey library stumbles: client data of the right shape, then CBOR that ends too early.
CLIENT_DATA = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiQUEiLCJvcmlnaW4iOiJ4In0"
CUT_SHORT = json.dumps(
    {
        "id": "AAAA",
        "rawId": "AAAA",
        "type": "public-key",
        "response": {
            "clientDataJSON": CLIENT_DATA,
            "authenticatorData": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAAAAABs",
            "attestationObject": "",
            "signature": "AAAA",
            "userHandle": "AA",
        },
    }
)


@pytest.mark.parametrize(
    "credential", ["", "{}", "[]", "null", '{"id": 1}', "x" * 30_000, json.dumps({"response": {}}), CUT_SHORT]
)
@pytest.mark.parametrize("deed", ["sign_in", "add_passkey"])
def test_what_is_no_passkey_is_refused_and_never_breaks(client: Client, credential: str, deed: str) -> None:
    user = somebody_of("ops")
    Phone.of(user)
    if deed == "sign_in":
        give_password(client, site="ops", email=user.email)
        client.post(reverse("ops:second_step"), {"credential": credential})
        assert not is_inside(client, site="ops")
    else:
        client.force_login(user)
        client.get(reverse("ops:security"))
        client.post(reverse("ops:security"), {"deed": deed, "credential": credential, "name": "x"})
        assert Authenticator.objects.count() == 1


def test_a_session_is_ended_from_another_one_and_nobody_elses_is(client: Client) -> None:
    user, other = somebody_of("ops"), somebody_of("ops")
    phone = Phone.of(user)
    elsewhere, stranger = Client(HTTP_USER_AGENT="Old laptop"), Client()
    enter(client, site="ops", user=user, phone=phone)
    enter(elsewhere, site="ops", user=user, phone=phone)
    enter(stranger, site="ops", user=other, phone=Phone.of(other))
    page = client.get(reverse("ops:security")).content.decode()
    assert "Old laptop" in page

    for row in UserSession.objects.all():
        client.post(reverse("ops:security"), {"deed": "end_session", "session": row.id})

    assert is_inside(client, site="ops")
    assert not is_inside(elsewhere, site="ops")
    assert is_inside(stranger, site="ops")


def test_signing_out_everywhere_else_leaves_this_session_alone(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    elsewhere = Client()
    enter(elsewhere, site="ops", user=user, phone=phone)
    enter(client, site="ops", user=user, phone=phone)

    client.post(reverse("ops:security"), {"deed": "end_other_sessions"})

    assert is_inside(client, site="ops")
    assert not is_inside(elsewhere, site="ops")


def test_an_operator_resets_the_second_step_of_one_person(client: Client) -> None:
    user, other = somebody_of("ops"), somebody_of("ops")
    enter(client, site="ops", user=user, phone=Phone.of(user))
    Phone.of(other)

    call_command("reset_second_step", str(user.email).upper(), stdout=StringIO())

    assert list(Authenticator.objects.values_list("user_id", flat=True)) == [other.pk]
    assert not is_inside(client, site="ops")
    with pytest.raises(CommandError):
        call_command("reset_second_step", "nobody@example.com")


def test_the_code_of_a_demo_account_is_shown_and_nobody_elses(client: Client) -> None:
    demo = make_user(is_staff=True)
    demo.email = "ops@demo.example"
    demo.save()
    ordinary = somebody_of("ops")
    for user in (demo, ordinary):
        Phone.of(user)
    with override_settings(PAYCORE_SHOW_DEMO_CODES=True):
        assert demo_code(ordinary) == ""
        give_password(client, site="ops", email=demo.email)
        shown = demo_code(demo)
        assert shown in client.get(reverse("ops:second_step")).content.decode()
        assert give_code(client, site="ops", code=shown) == 302
        assert demo_code(demo) != shown  # used up
    with override_settings(PAYCORE_SHOW_DEMO_CODES=False):
        assert demo_code(demo) == ""
