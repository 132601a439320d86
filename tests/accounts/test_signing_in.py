import threading
from collections import Counter
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from accounts.models import User
from tests.accounts.conftest import AUTH, App
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


def test_refresh_gives_a_new_pair_and_uses_the_old_token_up(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")

    first = app.refresh()
    assert first.status_code == 200
    assert app.refresh().status_code == 400
    app.access_token = first.json()["data"]["access_token"]
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_access_token_is_no_refresh_token_and_the_other_way_round(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    access, refresh = app.access_token, app.refresh_token

    app.access_token = refresh
    assert app.call("GET", "/api/v1/me").status_code == 401
    app.refresh_token = access
    assert app.refresh().status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_parallel_refreshes_with_one_token_exactly_one_wins(app: App) -> None:
    UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    for _ in range(10):
        answers = _refresh_in_parallel(app, times=4)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 3}
        winner = next(answer.json()["data"] for answer in answers if answer.status_code == 200)
        app.access_token, app.refresh_token = winner["access_token"], winner["refresh_token"]
        assert app.call("GET", "/api/v1/me").status_code == 200


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
