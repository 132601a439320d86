import threading
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection

from accounts.models import User
from paycore.models import EventRecord
from paycore.notifications.services import send_due
from tests.accounts.conftest import AUTH, App, code_sent_to, messages_to
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_sign_up_is_complete_when_the_code_was_typed_in(app: App) -> None:
    answer = app.sign_up(email="Ada@Example.com", name="Ada", locale="zh-hans")
    assert answer.status_code == 401
    assert [flow["id"] for flow in answer.json()["data"]["flows"] if flow.get("is_pending")] == ["verify_email"]
    assert app.call("GET", "/api/v1/me").status_code == 401

    verified = app.call("POST", f"{AUTH}/auth/email/verify", {"key": code_sent_to("ada@example.com")})

    assert verified.status_code == 200
    me = app.call("GET", "/api/v1/me").json()
    assert (me["email"], me["name"], me["locale"]) == ("ada@example.com", "Ada", "zh-hans")
    assert me["id"].startswith("usr_")


def test_the_code_arrives_by_mail_in_the_persons_language(app: App) -> None:
    app.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    app.sign_up(email="ada@example.com")
    send_due()
    (sent,) = mail.outbox
    code = code_sent_to("ada@example.com")
    assert len(code) == 6
    assert code.isdigit()
    assert all(code in text for text in (sent.subject, str(sent.body), str(sent.alternatives[0][0])))
    assert sent.to == ["ada@example.com"]


def test_sign_up_takes_the_language_from_the_request_when_none_is_given(app: App) -> None:
    app.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-CN,zh;q=0.9"
    app.sign_up(email="ada@example.com")
    assert User.objects.get().locale == "zh-hans"


def test_sign_up_is_announced_with_the_first_sign_in_and_once(app: App) -> None:
    app.sign_up(email="ada@example.com")
    assert not EventRecord.objects.exists()

    app.call("POST", f"{AUTH}/auth/email/verify", {"key": code_sent_to("ada@example.com")})
    App().sign_in(email="ada@example.com")

    event = EventRecord.objects.get(name="user.signed_up")
    assert event.object_id == User.objects.get().pk
    assert event.payload == {"user_id": event.object_id}


def test_a_code_may_be_tried_three_times_and_then_never_again(app: App) -> None:
    app.sign_up(email="ada@example.com")
    right = code_sent_to("ada@example.com")
    wrong = "000000" if right != "000000" else "111111"
    statuses = [app.call("POST", f"{AUTH}/auth/email/verify", {"key": wrong}).status_code for _ in range(3)]
    assert statuses == [400, 400, 400]
    assert app.call("POST", f"{AUTH}/auth/email/verify", {"key": right}).status_code == 409
    assert not EmailAddress.objects.get().verified


def test_sign_up_with_a_taken_address_looks_like_any_other_and_tells_its_owner(app: App) -> None:
    UserFactory(email="ada@example.com")
    stranger = App()

    taken = app.sign_up(email="ADA@example.com")
    free = stranger.sign_up(email="new@example.com")

    assert taken.status_code == free.status_code == 401
    assert taken.json()["data"] == free.json()["data"]
    assert set(taken.json()["meta"]) == set(free.json()["meta"])
    assert messages_to("ada@example.com")[0].template == "account_exists"
    assert User.objects.filter(email="ada@example.com").count() == 1
    guesses = [App.call(who, "POST", f"{AUTH}/auth/email/verify", {"key": "12345x"}) for who in (app, stranger)]
    assert guesses[0].status_code == guesses[1].status_code == 400
    assert guesses[0].json() == guesses[1].json()


def test_who_signs_up_with_anothers_address_gains_nothing_when_its_owner_comes(app: App) -> None:
    App().sign_up(email="ada@example.com", password="the thief's own phrase")

    app.sign_in_by_code("ada@example.com")

    assert app.call("GET", "/api/v1/me").status_code == 200
    assert App().sign_in(email="ada@example.com", password="the thief's own phrase").status_code == 400


@pytest.mark.parametrize("password", ["short", "1234567890123", "password123", "ada@example.com", ""])
def test_weak_password_is_refused_and_nobody_is_created(app: App, password: str) -> None:
    assert app.sign_up(email="ada@example.com", password=password).status_code == 400
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"{",
        b"null",
        b"[" * 2000 + b"]" * 2000,
        b'{"email": "a@example.com", "email": "b@example.com", "password": "a long enough phrase"}',
        b'{"email": "a@example.com", "password": "a long enough \\ud800 phrase"}',
        b'{"email": "a@example.com", "password": "a long enough \\u0000 phrase"}',
        b'{"email": {"a": 1}, "password": "a long enough phrase"}',
        b'{"email": "a@example.com", "password": "a long enough phrase", "locale": "xx"}',
        b'{"email": "a@example.com", "password": "a long enough phrase", "is_staff": true}',
        b'{"password": "a long enough phrase"}',
        b'{"email": "a@example.com"}',
        b'{"phone": "12345"}',
        b'{"phone": "+1415555"}',
        b'{"phone": ["+14155550100"]}',
        b'{"phone": "+19005550100"}',
        b'{"phone": "\xef\xbc\x8b\xef\xbc\x914155550100"}',
        b"\xff\xfe",
        b'{"password": "' + b"x" * 100_000 + b'", "email": "a@example.com"}',
    ],
)
def test_hostile_body_is_refused_and_nobody_is_created(app: App, body: bytes) -> None:
    answer = app.call("POST", f"{AUTH}/auth/signup", body)
    assert 400 <= answer.status_code < 500
    assert answer.status_code != 401
    assert "json" in answer["Content-Type"]
    assert not User.objects.exists()


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/xml"])
def test_other_content_types_are_refused(app: App, content_type: str) -> None:
    body = '{"email": "a@example.com", "password": "a long enough phrase"}'
    answer = app.client.post(f"{AUTH}/auth/signup", body, content_type=content_type)
    assert answer.status_code == 415
    assert not User.objects.exists()


def test_unknown_fields_are_named(app: App) -> None:
    answer = app.call("POST", f"{AUTH}/auth/login", {"email": "a@example.com", "password": "x", "remember": True})
    assert answer.status_code == 400
    assert [(error["code"], error["pointer"]) for error in answer.json()["errors"]] == [("unknown_field", "/remember")]


def test_mail_trouble_does_not_break_a_sign_up(app: App, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    assert app.sign_up(email="ada@example.com").status_code == 401
    send_due()
    assert messages_to("ada@example.com")[0].status == "pending"  # tried again later


def test_sign_ups_from_one_address_are_limited(app: App, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "signup": "2/m/ip"}
    statuses = [App().sign_up(email=f"user{number}@example.com").status_code for number in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert User.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_parallel_sign_ups_with_one_address_one_makes_an_account() -> None:
    for trial in range(5):
        statuses = _sign_up_in_parallel(email=f"ada{trial}@example.com", times=4)
        assert set(statuses) <= {401, 400}
        assert 401 in statuses
        assert User.objects.count() == trial + 1


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
