"""Who has an account is nobody's business: same answers, and about the same time."""

import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from tests.accounts.conftest import AUTH, App
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db
ROUNDS = 15
MOST_APART = 1.6
"""Medians of known and unknown may differ by this factor; forgetting to hash once makes it more than 5."""


@pytest.fixture(autouse=True)
def _as_in_production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 100_000)  # enough to be seen, not to wait for
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    settings.ACCOUNT_RATE_LIMITS = False
    settings.PAYCORE_SMS_CAPS = []
    settings.PAYCORE_SMS_DAILY_BUDGET_MINOR = 10**9
    settings.PAYCORE_SMS_ALARM_AFTER = 10**6


def _fresh() -> str:
    return f"{uuid.uuid4().hex}@example.com"


QUESTIONS: dict[str, Callable[[str, str], tuple[str, dict[str, str]]]] = {
    "sign-up by mail": lambda email, phone: ("signup", {"email": email, "password": "a long enough phrase"}),
    "sign-up by phone": lambda email, phone: ("signup", {"phone": phone, "password": "a long enough phrase"}),
    "wrong password": lambda email, phone: ("login", {"email": email, "password": "not the right phrase"}),
    "wrong password by phone": lambda email, phone: ("login", {"phone": phone, "password": "not the right phrase"}),
    "code by mail": lambda email, phone: ("code/request", {"email": email}),
    "code by SMS": lambda email, phone: ("code/request", {"phone": phone}),
    "reset by mail": lambda email, phone: ("password/request", {"email": email}),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_known_and_unknown_get_the_same_answer_in_about_the_same_time(question: str) -> None:
    email, phone = "ada@example.com", "+14155550100"
    UserFactory(email=email)
    App().sign_up_by_phone(phone, password="a long enough phrase")
    times: dict[bool, list[float]] = {True: [], False: []}
    answers: dict[bool, Any] = {}
    for turn in range(ROUNDS + 1):
        for is_known in (True, False):
            address = (email, phone) if is_known else (_fresh(), f"+1415666{turn:04d}")
            path, body = QUESTIONS[question](*address)
            started = time.perf_counter()
            answer = App().call("POST", f"{AUTH}/auth/{path}", body)
            if turn:
                times[is_known].append(time.perf_counter() - started)
            answers[is_known] = answer

    assert answers[True].status_code == answers[False].status_code
    assert _shape(answers[True].json()) == _shape(answers[False].json())
    assert answers[True].headers.keys() == answers[False].headers.keys()
    known, unknown = (statistics.median(times[is_known]) for is_known in (True, False))
    assert max(known, unknown) / min(known, unknown) < MOST_APART, (known, unknown)


def _shape(document: Any) -> Any:
    """Everything but the session token's own value."""
    return {**document, "meta": sorted(document.get("meta", {}))}
