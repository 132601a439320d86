import re
import threading
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection

from accounts.models import User
from paycore.models import EventRecord
from tests.accounts.conftest import AUTH, App
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_sign_up_answers_with_tokens_that_work_at_once(app: App) -> None:
    answer = app.sign_up(email="Ada@Example.com", name="Ada", locale="zh-hans")

    assert answer.status_code == 200
    me = app.call("GET", "/api/v1/me")
    assert me.status_code == 200
    assert me.json()["email"] == "ada@example.com"
    assert me.json()["name"] == "Ada"
    assert me.json()["locale"] == "zh-hans"
    assert me.json()["id"].startswith("usr_")


def test_sign_up_takes_the_language_from_the_request_when_none_is_given(app: App) -> None:
    app.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-CN,zh;q=0.9"
    app.sign_up(email="ada@example.com")
    assert User.objects.get().locale == "zh-hans"


def test_sign_up_is_announced_in_its_transaction(app: App) -> None:
    app.sign_up(email="ada@example.com")

    event = EventRecord.objects.get(name="user.signed_up")
    assert event.object_id == User.objects.get().pk
    assert event.payload == {"user_id": event.object_id}


def test_code_from_the_mail_verifies_the_address(app: App) -> None:
    app.sign_up(email="ada@example.com")
    assert not EmailAddress.objects.get().verified
    code = re.search(r"\b\d{6}\b", str(mail.outbox[0].body))
    assert code is not None

    wrong = app.call("POST", f"{AUTH}/auth/email/verify", {"key": "000000" if code[0] != "000000" else "111111"})
    assert wrong.status_code == 400
    assert not EmailAddress.objects.get().verified

    right = app.call("POST", f"{AUTH}/auth/email/verify", {"key": code[0]})
    assert right.status_code == 200
    assert EmailAddress.objects.get().verified


def test_second_sign_up_with_an_address_is_refused_in_any_case_of_letters(app: App) -> None:
    UserFactory(email="ada@example.com")

    answer = app.sign_up(email="ADA@example.com")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "email_taken"
    assert app.access_token == ""
    assert User.objects.count() == 1
    assert not EventRecord.objects.exists()
    assert mail.outbox == []


@pytest.mark.parametrize("password", ["short", "1234567890123", "password123", "ada@example.com", ""])
def test_weak_password_is_refused_and_nobody_is_created(app: App, password: str) -> None:
    assert app.sign_up(email="ada@example.com", password=password).status_code == 400
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"[" * 2000 + b"]" * 2000,
        b'{"email": "a@example.com", "email": "b@example.com", "password": "a long enough phrase"}',
        b'{"email": "a@example.com", "password": "a long enough \\ud800 phrase"}',
        b'{"email": "a@example.com", "password": "a long enough \\u0000 phrase"}',
        b'{"email": {"a": 1}, "password": "a long enough phrase"}',
        b'{"email": "a@example.com", "password": "a long enough phrase", "locale": "xx"}',
        b"\xff\xfe",
        b'{"password": "' + b"x" * 100_000 + b'", "email": "a@example.com"}',
    ],
)
def test_hostile_body_is_refused_and_nobody_is_created(app: App, body: bytes) -> None:
    answer = app.call("POST", f"{AUTH}/auth/signup", body)
    assert 400 <= answer.status_code < 500
    assert "json" in answer["Content-Type"]
    assert not User.objects.exists()


def test_mail_trouble_does_not_break_a_sign_up(app: App, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    assert app.sign_up(email="ada@example.com").status_code == 200
    assert app.call("GET", "/api/v1/me").status_code == 200


def test_sign_ups_from_one_address_are_limited(app: App, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "signup": "2/m/ip"}
    statuses = [App().sign_up(email=f"user{number}@example.com").status_code for number in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert User.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_parallel_sign_ups_with_one_address_exactly_one_wins() -> None:
    for trial in range(5):
        statuses = _sign_up_in_parallel(email=f"ada{trial}@example.com", times=4)
        assert sorted(statuses) == [200, 400, 400, 400]
        assert User.objects.count() == EventRecord.objects.filter(name="user.signed_up").count() == trial + 1


def _sign_up_in_parallel(*, email: str, times: int) -> list[int]:
    barrier, statuses = threading.Barrier(times), []

    def run() -> None:
        try:
            barrier.wait()
            statuses.append(App().sign_up(email=email).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses
