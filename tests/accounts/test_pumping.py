"""SMS pumping and guessing of codes, as an attacker's script would do it, against the public API."""

import threading
from typing import Any

import pytest
from django.db import connection

from paycore.notifications.models import Notification, SmsUsage
from tests.accounts.conftest import AUTH, App, code_sent_to

pytestmark = pytest.mark.django_db
ADA = "+8613812345678"


@pytest.fixture(autouse=True)
def _no_other_limits(settings: Any) -> None:
    """Only the budget stands in the way: a script changes its address as it likes."""
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.mark.parametrize("way", ["signup", "code/request"])
def test_pumping_stops_at_the_cap_while_a_real_person_still_signs_in(settings: Any, way: str) -> None:
    settings.PAYCORE_SMS_CAPS = ["number=5/hour", "prefix=10/hour"]
    settings.PAYCORE_SMS_ALARM_AFTER = 10**6
    App().sign_up_by_phone(ADA)
    statuses = []
    for last in range(40):
        app = App()
        app.client.defaults["REMOTE_ADDR"] = f"198.51.100.{last}"
        statuses.append(app.call("POST", f"{AUTH}/auth/{way}", {"phone": f"+1415555{last:04d}"}).status_code)
    sent = Notification.objects.filter(template="code_sms").count() - 1

    if way == "signup":
        assert statuses == [401] * 10 + [503] * 30
        assert sent == 10
    else:  # nothing ever goes to numbers without an account
        assert set(statuses) == {401}
        assert sent == 0
    assert App().sign_in_by_code(ADA).status_code == 200


def test_pumping_is_stopped_by_the_alarm_before_the_cap(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["prefix=1000/hour", "country=1000/hour"]
    settings.PAYCORE_SMS_ALARM_AFTER = 8
    for last in range(30):
        App().call("POST", f"{AUTH}/auth/signup", {"phone": f"+1415555{last:04d}"})
    assert Notification.objects.filter(template="code_sms").count() == 9
    assert SmsUsage.objects.get(scope="money").sent == 9


def test_a_stopped_sign_up_leaves_no_account_behind(settings: Any) -> None:
    settings.PAYCORE_SMS_DAILY_BUDGET_MINOR = 0
    answer = App().call("POST", f"{AUTH}/auth/signup", {"phone": ADA})
    assert answer.status_code == 503
    assert answer.json()["code"] == "sms_unavailable"
    assert not Notification.objects.filter(template="code_sms").exists()


@pytest.mark.parametrize("address", ["ada@example.com", ADA])
def test_guessing_codes_comes_to_an_end(settings: Any, address: str) -> None:
    """Three guesses a code, and only so many codes an hour, whatever the script's own address is."""
    del settings.ACCOUNT_RATE_LIMITS
    settings.ACCOUNT_RATE_LIMITS = {"request_login_code": "1000/m/ip,10/h/key", "signup": "1000/m/ip"}
    settings.PAYCORE_SMS_CAPS = []
    if "@" in address:
        App().sign_up_whole(email=address)
    else:
        App().sign_up_by_phone(address)
    guesses = 0
    for _ in range(30):
        app = App()
        kind = "email" if "@" in address else "phone"
        if app.call("POST", f"{AUTH}/auth/code/request", {kind: address}).status_code != 401:
            continue
        right = code_sent_to(address)
        wrong = "000000" if right != "000000" else "111111"
        while app.call("POST", f"{AUTH}/auth/code/confirm", {"code": wrong}).status_code == 400:
            guesses += 1
        assert app.call("POST", f"{AUTH}/auth/code/confirm", {"code": right}).status_code == 409
    assert guesses == 30


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_of_one_code_do_not_overlook_each_other() -> None:
    App().sign_up_whole(email="ada@example.com")
    app = App()
    app.call("POST", f"{AUTH}/auth/code/request", {"email": "ada@example.com"})
    right = code_sent_to("ada@example.com")
    guesses = [f"{number:06d}" for number in range(41) if f"{number:06d}" != right][:40]
    barrier, statuses = threading.Barrier(len(guesses)), []

    def guess(code: str) -> None:
        try:
            barrier.wait()
            one = App(session_token=app.session_token)
            statuses.append(one.call("POST", f"{AUTH}/auth/code/confirm", {"code": code}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=guess, args=(code,)) for code in guesses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(statuses) == 40
    assert statuses.count(400) <= 10
    assert set(statuses) <= {400, 409, 410, 429}


def test_codes_guessed_by_get_are_counted_as_well() -> None:
    """allauth lets an app look whether a code is right before it uses it."""
    App().sign_up_whole(email="ada@example.com")
    app = App()
    app.call("POST", f"{AUTH}/auth/password/request", {"email": "ada@example.com"})
    statuses = []
    for guess in range(14):
        headers = {"X-Session-Token": app.session_token, "X-Password-Reset-Key": f"{guess:06d}"}
        statuses.append(app.client.get(f"{AUTH}/auth/password/reset", headers=headers).status_code)
    assert statuses[-1] == 429


def test_a_fresh_access_token_is_no_fresh_allowance() -> None:
    """The code for a new number, guessed at by a person who may refresh tokens and write headers as they like."""
    app = App()
    app.sign_up_whole(email="ada@example.com")
    assert app.call("POST", f"{AUTH}/account/phone", {"phone": ADA}).status_code == 202
    statuses = []
    for guess in range(12):
        headers = {"Authorization": f"{'Bearer' if guess % 2 else 'bearer'} {app.access_token}"}
        answer = app.client.post(
            f"{AUTH}/auth/phone/verify", {"code": f"{guess:06d}"}, content_type="application/json", headers=headers
        )
        statuses.append(answer.status_code)
        tokens = app.refresh().json()["data"]
        app.access_token, app.refresh_token = tokens["access_token"], tokens["refresh_token"]
    assert statuses[-1] == 429
