import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection

from accounts.models import User
from paycore.settings.accounts import CACHES
from tests.accounts.conftest import AUTH, App, code_sent_to
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_password_signs_in_and_the_token_names_the_person(app: App) -> None:
    user = UserFactory(email="ada@example.com")
    assert app.sign_in(email="ADA@example.com").status_code == 200
    assert app.call("GET", "/api/v1/me").json()["id"] == user.pk


def test_wrong_password_and_unknown_address_get_the_same_answer(app: App) -> None:
    UserFactory(email="ada@example.com")
    wrong = app.sign_in(email="ada@example.com", password="not the right phrase")
    unknown = app.sign_in(email="nobody@example.com", password="not the right phrase")
    assert wrong.status_code == unknown.status_code == 400
    assert wrong.json() == unknown.json()
    assert app.access_token == ""


def test_guessing_a_password_locks_even_the_right_one_out_for_a_while(app: App) -> None:
    UserFactory(email="ada@example.com")
    for _ in range(5):
        app.sign_in(email="ada@example.com", password="not the right phrase")
    locked = app.sign_in(email="ada@example.com")
    assert locked.status_code == 400
    assert locked.json()["errors"][0]["code"] == "too_many_login_attempts"


def test_inactive_user_can_neither_sign_in_nor_use_an_older_token(app: App) -> None:
    user = UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert app.call("GET", "/api/v1/me").status_code == 401
    assert app.refresh().status_code == 400
    assert App().sign_in(email="ada@example.com").status_code in {400, 401}


def test_signing_out_kills_the_access_and_the_refresh_token(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")

    assert app.call("DELETE", f"{AUTH}/auth/session").status_code == 401  # allauth's word for "signed out now"
    assert app.call("GET", "/api/v1/me").status_code == 401
    assert app.refresh().status_code == 400


def test_signed_in_app_stays_so_for_thirty_days(app: App, settings: Any) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    session = Session.objects.get()
    assert session.get_decoded()["_session_expiry"] == 30 * 24 * 3600


def test_refresh_gives_a_new_pair(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")

    first = app.refresh()
    assert first.status_code == 200
    assert first.json()["data"]["refresh_token"] != app.refresh_token
    app.access_token = first.json()["data"]["access_token"]
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_a_repeat_within_a_minute_gets_the_same_pair_and_the_chain_goes_on(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    first, repeated = app.refresh().json()["data"], app.refresh().json()["data"]
    assert first == repeated
    app.refresh_token = repeated["refresh_token"]
    assert app.refresh().status_code == 200


def test_a_used_refresh_token_that_comes_back_later_is_stolen_and_ends_the_session(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    stolen = app.refresh_token
    app.refresh_token = app.refresh().json()["data"]["refresh_token"]

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        thief = App(refresh_token=stolen)
        assert thief.refresh().status_code == 400
        assert app.refresh().status_code == 400
        assert app.call("GET", "/api/v1/me").status_code == 401


def test_access_token_is_no_refresh_token_and_the_other_way_round(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    access, refresh = app.access_token, app.refresh_token

    app.access_token = refresh
    assert app.call("GET", "/api/v1/me").status_code == 401
    app.refresh_token = access
    assert app.refresh().status_code == 400


@pytest.mark.django_db(transaction=True)
def test_parallel_refreshes_with_one_token_all_get_the_same_living_pair(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    for _ in range(10):
        answers = _refresh_in_parallel(app, times=4)
        assert [answer.status_code for answer in answers] == [200] * 4
        pairs = {json.dumps(answer.json()["data"], sort_keys=True) for answer in answers}
        assert len(pairs) == 1
        pair = json.loads(pairs.pop())
        app.access_token, app.refresh_token = pair["access_token"], pair["refresh_token"]
        assert app.call("GET", "/api/v1/me").status_code == 200


def test_a_request_that_saves_the_session_late_neither_loses_the_new_token_nor_revives_the_old(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    for _ in range(2):
        late = SessionStore(Session.objects.get().session_key)
        late["something"] = "a step-up that began before the refresh"
        used = app.refresh_token
        app.refresh_token = app.refresh().json()["data"]["refresh_token"]
        late.save()
    again = app.refresh()
    assert again.status_code == 200
    assert App(refresh_token=used).refresh().status_code == 400


def test_devices_are_listed_and_one_can_be_signed_out(app: App) -> None:
    UserFactory(email="ada@example.com")
    lost = App()
    lost.client.defaults["HTTP_USER_AGENT"] = "A lost phone"
    lost.sign_in(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    listed = app.call("GET", f"{AUTH}/auth/sessions").json()["data"]
    assert len(listed) == 2
    (gone,) = [row["id"] for row in listed if row["user_agent"] == "A lost phone"]

    assert app.call("DELETE", f"{AUTH}/auth/sessions", {"sessions": [gone]}).status_code == 200

    assert lost.call("GET", "/api/v1/me").status_code == 401
    assert lost.refresh().status_code == 400
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_nobody_signs_out_anothers_device(app: App) -> None:
    UserFactory(email="ada@example.com")
    UserFactory(email="eve@example.com")
    ada = App()
    ada.sign_in(email="ada@example.com")
    app.sign_in(email="eve@example.com")
    (theirs,) = [row["id"] for row in ada.call("GET", f"{AUTH}/auth/sessions").json()["data"]]
    assert app.call("DELETE", f"{AUTH}/auth/sessions", {"sessions": [theirs]}).status_code == 400
    assert ada.call("GET", "/api/v1/me").status_code == 200


def test_email_code_signs_in(app: App) -> None:
    UserFactory(email="ada@example.com")
    assert app.sign_in_by_code("ada@example.com").status_code == 200
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_unverified_address_is_proved_at_the_next_sign_in(app: App) -> None:
    UserFactory(email="ada@example.com", verified_address=False)
    assert app.sign_in(email="ada@example.com").status_code == 401
    assert app.access_token == ""
    answer = app.call("POST", f"{AUTH}/auth/email/verify", {"key": code_sent_to("ada@example.com")})
    assert answer.status_code == 200
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_forgotten_password_is_replaced_by_a_mailed_code(app: App) -> None:
    UserFactory(email="ada@example.com")
    thief = App()
    thief.sign_in(email="ada@example.com")
    app.call("POST", f"{AUTH}/auth/password/request", {"email": "ada@example.com"})
    body = {"key": code_sent_to("ada@example.com"), "password": "five blue walnuts sing"}
    assert app.call("POST", f"{AUTH}/auth/password/reset", body).status_code in {200, 401}
    assert thief.call("GET", "/api/v1/me").status_code == 401
    assert App().sign_in(email="ada@example.com").status_code == 400
    assert App().sign_in(email="ada@example.com", password="five blue walnuts sing").status_code == 200


def test_session_token_changes_when_somebody_is_signed_in(app: App) -> None:
    """A session that an attacker planted before is worth nothing afterwards."""
    UserFactory(email="ada@example.com")
    app.call("POST", f"{AUTH}/auth/code/request", {"email": "ada@example.com"})
    planted = app.session_token
    assert planted
    app.call("POST", f"{AUTH}/auth/code/confirm", {"code": code_sent_to("ada@example.com")})
    assert app.access_token
    attacker = App(session_token=planted)
    assert attacker.call("GET", f"{AUTH}/auth/session").status_code in {401, 410}


@pytest.mark.parametrize("sign_in", ["password", "code"])
def test_with_redis_gone_people_still_sign_in_and_limits_still_hold(app: App, settings: Any, sign_in: str) -> None:
    options = CACHES["default"]["OPTIONS"]
    settings.CACHES = {
        "default": {**CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0", "KEY_PREFIX": uuid.uuid4().hex}
    }
    assert options["socket_timeout"] < 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login": "3/m/ip"}
    UserFactory(email="ada@example.com")
    if sign_in == "code":
        assert app.sign_in_by_code("ada@example.com").status_code == 200
        return
    assert app.sign_in(email="ada@example.com").status_code == 200
    assert [App().sign_in(email="ada@example.com").status_code for _ in range(4)] == [200, 200, 429, 429]


def _refresh_in_parallel(app: App, *, times: int) -> list[Any]:
    barrier, answers = threading.Barrier(times), []

    def run() -> None:
        try:
            barrier.wait()
            answers.append(app.refresh())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
