import json
import time
from typing import Any

import pytest

from payments.gateways.contract import (
    Outcome,
)
from payments.gateways.sandbox.provider.api import respond
from payments.gateways.sandbox.provider.requests import ProviderRequest
from payments.gateways.sandbox.signature import HEADER, check_signature
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.sandbox_harness import SECRET, SandboxHarness, scripted


@pytest.fixture
def harness() -> SandboxHarness:
    return SandboxHarness()


@pytest.mark.parametrize(
    "words",
    [
        {"sum": 0},
        {"sum": -1},
        {"sum": 2**63},
        {"sum": 1.0},
        {"sum": "1_0"},
        {"sum": True},
        {"sum": None},
        {"coin": "usd"},
        {"coin": 7},
        {"via": "barter"},
        {"reference": ""},
        {"reference": "a/b"},
        {"reference": "x" * 81},
        {"tell": "ftp://example.test/"},
        {"tell": "http://"},
        {"back_to": "javascript:alert(1)"},
        {"back_to": "http://shop.test:99999/"},
        {"back_to": "http://a;script-src *"},
        {"title": 7},
        {"title": "x" * 301},
        {"good_until": "soon"},
        {"good_until": True},
    ],
)
def test_bad_field_is_refused_and_nothing_is_kept(harness: SandboxHarness, words: dict[str, Any]) -> None:
    good = {"reference": "pay_1", "sum": 100, "coin": "USD", "via": "card"}
    answer = ask(harness, "POST", "/v1/payments", {**good, **words})
    assert answer[0] == 400
    assert harness.payments_made() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"sum": NaN}',
        b"[" * 2000,
        b"\xff",
        b'{"reference": "\\ud800"}',
        b'{"reference": "a\\u0000"}',
    ],
)
def test_body_that_is_no_payment_is_refused_never_a_500(harness: SandboxHarness, body: bytes) -> None:
    headers = {"authorization": f"Bearer {SECRET}"}
    assert respond(harness.provider, ProviderRequest("POST", "/v1/payments", "", headers, body)).status == 400
    assert harness.payments_made() == 0


def test_title_with_odd_characters_is_kept_printable(harness: SandboxHarness) -> None:
    assert scripted(harness, "require_action", description="高级\ud800会员\x00\n").outcome is Outcome.REQUIRES_ACTION


def test_body_too_long_is_refused(harness: SandboxHarness) -> None:
    assert ask(harness, "POST", "/v1/payments", {"title": "x" * 70_000})[0] == 413


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", f"Basic {SECRET}", "Bearer schlüssel"])
def test_without_the_secret_nothing_is_done(harness: SandboxHarness, authorization: str) -> None:
    request = ProviderRequest("POST", "/v1/payments", "", {"authorization": authorization}, b"{}")
    assert respond(harness.provider, request).status == 401


def test_unknown_address_and_method_are_told_apart(harness: SandboxHarness) -> None:
    assert ask(harness, "GET", "/v1/nothing", {})[0] == 404
    assert ask(harness, "GET", "/v1/payments", {})[0] == 405
    assert ask(harness, "GET", "/v1/statements/2026-02-30", {})[0] == 400


def test_control_endpoints_set_scripts(harness: SandboxHarness) -> None:
    assert ask(harness, "PUT", "/v1/control/default-script", {"scenario": "decline"})[0] == 200
    assert ask(harness, "PUT", "/v1/control/scripts/pay_2", {"scenario": "succeed_after(5)"})[0] == 200
    assert ask(harness, "PUT", "/v1/control/default-script", {"scenario": "nonsense"})[0] == 400
    assert harness.gateway.create_payment(a_payment(harness)).outcome is Outcome.FAILED
    assert harness.gateway.create_payment(a_payment(harness, reference="pay_2")).outcome is Outcome.PENDING


def ask(harness: SandboxHarness, method: str, path: str, words: dict[str, Any]) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {SECRET}"}
    answer = respond(harness.provider, ProviderRequest(method, path, "", headers, json.dumps(words).encode()))
    check_signature(answer.headers[HEADER], answer.body, secrets=[SECRET], now=time.time())
    return answer.status, json.loads(answer.body)
