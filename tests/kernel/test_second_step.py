"""Nobody enters a console by password alone, and what stands in for the password is hard to guess, repeat or steal."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis
import time_machine
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, reverse

from paycore.sites import ConsoleSite, merchant_site, ops_site
from paycore.sites import login as console_login
from paycore.sites.code_form import MAX_CODES, MAX_CODES_A_DAY
from paycore.sites.login import LoginAttempts
from paycore.sites.second_factors import (
    unused_recovery_codes,
    use_code,
)
from paycore.sites.second_step import _PASSED, PENDING_SECONDS
from tests.phone import PASSWORD, Phone, enrol_by_hand, enter, give_code, give_password, is_inside, somebody_of

pytestmark = pytest.mark.django_db

SITES = ["ops", "merchant"]


@pytest.fixture(autouse=True)
def _no_attempts_left_over() -> Iterator[None]:
    store = redis.Redis.from_url(settings.REDIS_URL)
    for key in store.scan_iter("paycore:console:*"):
        store.delete(key)
    yield
    for key in store.scan_iter("paycore:console:*"):
        store.delete(key)


def paths_of(site: ConsoleSite) -> list[str]:
    """Every address of a console but those of signing in, with made-up ids."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for entry in patterns:
            path = prefix + re.sub(r"<[^>]+>|\(\?P<url>\.\*\)\$?|\(.+?\)", "1", str(entry.pattern).strip("^$"))
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, path)
            elif entry.name not in {"login", "logout", "language", "second_step", "enrol"}:
                yield path

    return list(walk(site.get_urls(), f"/{site.name}/"))


@pytest.mark.parametrize("site", SITES)
def test_password_and_code_open_the_console(client: Client, site: str) -> None:
    user = somebody_of(site)
    phone = Phone.of(user)

    assert give_password(client, site=site, email=user.email) == 302
    assert not is_inside(client, site=site)
    assert "_auth_user_id" not in client.session
    assert give_code(client, site=site, code=phone.code()) == 302

    assert is_inside(client, site=site)


@pytest.mark.parametrize("site", [ops_site, merchant_site], ids=SITES)
def test_no_page_is_there_before_the_second_step(client: Client, site: ConsoleSite) -> None:
    user = somebody_of(site.name)
    Phone.of(user)
    give_password(client, site=site.name, email=user.email)
    half = Client()
    half.force_login(user)
    session = half.session
    del session[_PASSED]
    session.save()
    paths = paths_of(site)

    assert len(paths) > 20
    for visitor in (client, half):
        for path in paths:
            answers = [visitor.get(path), visitor.post(path)]
            assert any(answer.status_code == 302 for answer in answers), path
            for response in answers:
                if response.status_code != 405:  # a page that takes the other method says so to anybody
                    assert response.status_code == 302, path
                    assert response["Location"].startswith(reverse(f"{site.name}:login")), path


def test_who_opens_a_deep_page_is_led_back_to_it_after_both_steps(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    wanted = reverse("ops:accounts_user_changelist") + "?q=x"
    answer = client.get(wanted)
    answer = client.post(answer["Location"], {"username": user.email, "password": PASSWORD, "next": wanted})
    answer = client.post(answer["Location"], {"code": phone.code(), "next": wanted})

    assert answer["Location"] == wanted
    assert client.get(wanted).status_code == 200


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_nobody_is_led_to_another_host(client: Client, address: str) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    answer = client.post(reverse("ops:login"), {"username": user.email, "password": PASSWORD, "next": address})
    assert "evil" not in answer["Location"]
    assert "javascript" not in answer["Location"]

    answer = client.post(reverse("ops:second_step"), {"code": phone.code(), "next": address})

    assert answer["Location"] == reverse("ops:index")


def test_a_code_opens_one_door_once(client: Client) -> None:
    user = somebody_of("ops")
    code = Phone.of(user).code()
    give_password(client, site="ops", email=user.email)
    give_code(client, site="ops", code=code)
    thief = Client()
    give_password(thief, site="ops", email=user.email)

    assert give_code(thief, site="ops", code=code) == 200
    assert not is_inside(thief, site="ops")


@pytest.mark.django_db(transaction=True)
def test_of_parallel_uses_of_one_code_exactly_one_counts() -> None:
    user = somebody_of("ops")
    code = Phone.of(user).code()
    barrier = Barrier(4)

    def use(_number: int) -> bool:
        try:
            barrier.wait()
            return use_code(user, code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(use, range(4))) == [False, False, False, True]


def test_an_older_code_is_refused_after_a_newer_one() -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    older, newer = phone.code(), phone.code()

    assert use_code(user, newer)
    assert not use_code(user, older)


def test_a_code_of_another_time_is_refused() -> None:
    user = somebody_of("ops")
    code = Phone.of(user).code()
    with time_machine.travel(time.time() + 90, tick=True):
        assert not use_code(user, code)


def test_a_code_of_another_person_is_refused(client: Client) -> None:
    user, other = somebody_of("ops"), somebody_of("ops")
    Phone.of(user)
    give_password(client, site="ops", email=user.email)

    assert give_code(client, site="ops", code=Phone.of(other).code()) == 200
    assert not is_inside(client, site="ops")


@pytest.mark.parametrize(
    "code", ["", "0", "abcdef", "１２３４５６", "-12345", "1e5000", "9" * 20, "0\x00000", "000000; --"]
)
def test_what_is_no_code_is_refused_and_never_breaks(client: Client, code: str) -> None:
    user = somebody_of("ops")
    Phone.of(user)
    give_password(client, site="ops", email=user.email)

    assert give_code(client, site="ops", code=code) == 200
    assert not is_inside(client, site="ops")


def test_guessing_codes_stops_for_the_right_one_too_wherever_it_comes_from() -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    for number in range(MAX_CODES):
        guesser = Client(REMOTE_ADDR=f"198.51.100.{number}")
        assert give_password(guesser, site="ops", email=user.email) == 302
        assert give_code(guesser, site="ops", code=phone.wrong_code()) == 200

    late = Client(REMOTE_ADDR="203.0.113.9")
    give_password(late, site="ops", email=user.email)
    give_code(late, site="ops", code=phone.code())

    assert not is_inside(late, site="ops")
    assert late.get(reverse("ops:second_step")).status_code == 302  # the password has to be given anew


def test_patient_guessing_stops_for_the_day(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    monkeypatch.setattr("paycore.sites.code_form.MAX_CODES", 1000)  # as if five minutes passed between the guesses
    give_password(client, site="ops", email=user.email)
    for _guess in range(MAX_CODES_A_DAY):
        assert give_code(client, site="ops", code=phone.wrong_code()) == 200

    give_code(client, site="ops", code=phone.code())

    assert not is_inside(client, site="ops")


def test_guessing_stops_without_redis(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    monkeypatch.setattr(console_login, "attempts", LoginAttempts())
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        give_password(client, site="ops", email=user.email)
        for _guess in range(MAX_CODES):
            assert give_code(client, site="ops", code=phone.wrong_code()) == 200
        give_code(client, site="ops", code=phone.code())

    assert not is_inside(client, site="ops")


def test_the_right_code_forgives_the_wrong_ones_before_it() -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    for _round in range(2):
        client = Client()
        give_password(client, site="ops", email=user.email)
        for _guess in range(MAX_CODES - 1):
            give_code(client, site="ops", code=phone.wrong_code())
        assert give_code(client, site="ops", code=phone.code()) == 302


def test_a_recovery_code_stands_in_once(client: Client) -> None:
    user = somebody_of("ops")
    codes = enrol_by_hand(client, site="ops", user=user)
    for visitor, is_let_in in ((Client(), True), (Client(), False)):
        give_password(visitor, site="ops", email=user.email)
        give_code(visitor, site="ops", code=codes[3])
        assert is_inside(visitor, site="ops") is is_let_in

    assert len(unused_recovery_codes(user)) == len(codes) - 1


@pytest.mark.parametrize("site", SITES)
def test_who_has_no_second_step_yet_must_set_one_up(client: Client, site: str) -> None:
    user = somebody_of(site)

    codes = enrol_by_hand(client, site=site, user=user)

    assert is_inside(client, site=site)
    assert len(set(codes)) == 10
    kept = Authenticator.objects.get(user=user, type="totp").data["secret"]
    assert kept not in {Phone(code).secret for code in codes}
    assert len(kept) > 60  # sealed, not the 32 letters themselves


def test_a_wrong_code_enrols_nobody(client: Client) -> None:
    user = somebody_of("ops")
    give_password(client, site="ops", email=user.email)
    client.get(reverse("ops:enrol"))

    assert client.post(reverse("ops:enrol"), {"code": "000000"}).status_code == 200

    assert not Authenticator.objects.exists()
    assert not is_inside(client, site="ops")


def test_the_password_alone_replaces_no_second_step(client: Client) -> None:
    user = somebody_of("ops")
    Phone.of(user)
    before = Authenticator.objects.get().data
    give_password(client, site="ops", email=user.email)

    for answer in (client.get(reverse("ops:enrol")), client.post(reverse("ops:enrol"), {"code": "000000"})):
        assert answer["Location"].startswith(reverse("ops:second_step"))

    assert Authenticator.objects.get().data == before


def test_the_first_step_is_good_for_ten_minutes(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    give_password(client, site="ops", email=user.email)
    with time_machine.travel(time.time() + PENDING_SECONDS + 1, tick=True):
        assert give_code(client, site="ops", code=phone.code()) == 302
        assert not is_inside(client, site="ops")


def test_who_is_deactivated_between_the_steps_stays_outside(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    give_password(client, site="ops", email=user.email)
    user.is_active = False
    user.save()

    assert give_code(client, site="ops", code=phone.code()) == 302
    assert not is_inside(client, site="ops")


def test_a_session_key_planted_before_signing_in_is_worth_nothing(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    attacker = Client()
    give_password(attacker, site="ops", email=somebody_of("ops").email)
    planted = attacker.cookies["sessionid"].value
    client.cookies["sessionid"] = planted

    give_password(client, site="ops", email=user.email)
    between = client.cookies["sessionid"].value
    give_code(client, site="ops", code=phone.code())
    after = client.cookies["sessionid"].value

    assert len({planted, between, after}) == 3
    for stolen in (planted, between):
        thief = Client()
        thief.cookies["sessionid"] = stolen
        assert not is_inside(thief, site="ops")
        assert not Session.objects.filter(session_key=stolen).exists()
    assert is_inside(client, site="ops")


def test_the_proof_belongs_to_one_person(client: Client) -> None:
    user, other = somebody_of("ops"), somebody_of("ops")
    enter(client, site="ops", user=user, phone=Phone.of(user))
    session = client.session
    session["_auth_user_id"], session["_auth_user_hash"] = other.pk, other.get_session_auth_hash()
    session.save()

    assert not is_inside(client, site="ops")


def test_a_new_password_ends_every_console_session_even_the_one_it_was_set_in(client: Client) -> None:
    user = somebody_of("ops")
    phone = Phone.of(user)
    elsewhere = Client()
    enter(client, site="ops", user=user, phone=phone)
    enter(elsewhere, site="ops", user=user, phone=phone)

    answer = client.post(
        reverse("ops:password_change"),
        {"old_password": PASSWORD, "new_password1": "a much longer secret", "new_password2": "a much longer secret"},
    )

    assert answer.status_code == 302
    assert not is_inside(client, site="ops")
    assert not is_inside(elsewhere, site="ops")


def test_signing_out_drops_the_proof(client: Client) -> None:
    user = somebody_of("ops")
    enter(client, site="ops", user=user, phone=Phone.of(user))

    client.post(reverse("ops:logout"))

    assert not is_inside(client, site="ops")
    assert _PASSED not in client.session


def test_a_proof_for_one_console_does_not_admit_to_the_other(client: Client) -> None:
    user = somebody_of("merchant")
    enter(client, site="merchant", user=user, phone=Phone.of(user))

    assert not is_inside(client, site="ops")


@pytest.mark.parametrize("name", ["login", "second_step", "enrol", "security", "logout", "language"])
@pytest.mark.parametrize("site", SITES)
def test_a_form_sent_from_elsewhere_is_refused(site: str, name: str) -> None:
    user = somebody_of(site)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)

    assert strict.post(reverse(f"{site}:{name}"), {"deed": "renew_codes"}).status_code == 403
    assert not Authenticator.objects.exists()
    assert is_inside(strict, site=site)


@pytest.mark.parametrize("name", ["index", "login", "second_step", "enrol", "security"])
@pytest.mark.parametrize("site", SITES)
def test_no_page_may_be_framed_or_kept(site: str, name: str, client: Client) -> None:
    client.force_login(somebody_of(site))
    for visitor in (client, Client()):
        response = visitor.get(reverse(f"{site}:{name}"))
        assert response["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert "no-cache" in response["Cache-Control"]
