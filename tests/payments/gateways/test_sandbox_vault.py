"""What the sandbox keeps for later charges: the promises of VaultCapable."""

from dataclasses import replace
from typing import Any

import pytest

from payments.gateways.abilities import VaultCapable
from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Outcome,
    SavedToken,
    SaveRequest,
    SaveResult,
)
from payments.gateways.sandbox.provider.api import respond
from payments.gateways.sandbox.provider.requests import ProviderRequest
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.sandbox_harness import SandboxHarness


@pytest.fixture
def harness() -> SandboxHarness:
    return SandboxHarness()


def a_save(**changes: Any) -> SaveRequest:
    request = SaveRequest(
        reference="pm_1",
        method="card",
        payer_reference="usr_1",
        description="Corner Shop",
        currency="USD",
        webhook_url="http://127.0.0.1:8000/webhooks/ga_1",
    )
    return replace(request, **changes)


def scripted(harness: SandboxHarness, script: str, **changes: Any) -> SaveResult:
    return harness.gateway.save_method(a_save(options={"sandbox": script}, **changes))


def kept(harness: SandboxHarness, script: str = "approve") -> SavedToken:
    saved = scripted(harness, script).saved
    assert saved is not None
    return SavedToken(saved.token, saved.customer_reference)


def charge(harness: SandboxHarness, token: SavedToken, reference: str = "pay_1", **changes: Any) -> tuple[Outcome, str]:
    result = harness.gateway.create_payment(a_payment(harness, reference=reference, saved=token, **changes))
    return result.outcome, result.failure_code


def test_it_is_vault_capable(harness: SandboxHarness) -> None:
    assert isinstance(harness.gateway, VaultCapable)


def test_saved_card_is_described_and_fetch_agrees(harness: SandboxHarness) -> None:
    result = harness.gateway.save_method(a_save())
    assert (result.reference, result.outcome) == ("pm_1", Outcome.SUCCEEDED)
    assert result.saved is not None
    assert len(result.saved.last4) == 4
    assert result.saved.expiry_month in range(1, 13)
    assert harness.gateway.fetch_saved("pm_1") == result


def test_same_reference_is_one_keep_and_another_persons_is_refused(harness: SandboxHarness) -> None:
    first = harness.gateway.save_method(a_save())
    assert harness.gateway.save_method(a_save()) == first
    with pytest.raises(GatewayRejected):
        harness.gateway.save_method(a_save(payer_reference="usr_2"))


def test_same_card_of_the_same_person_has_the_same_fingerprint_only(harness: SandboxHarness) -> None:
    results = [
        harness.gateway.save_method(a_save(reference=f"pm_{n}", payer_reference=who))
        for n, who in enumerate(("usr_1", "usr_1", "usr_2"))
    ]
    prints = [result.saved.fingerprint for result in results if result.saved]
    tokens = {result.saved.token for result in results if result.saved}
    assert prints[0] == prints[1] != prints[2]
    assert len(tokens) == 3


def test_unknown_reference_is_not_found(harness: SandboxHarness) -> None:
    assert harness.gateway.fetch_saved("pm_never").outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize(("decides", "outcome"), [("approve", Outcome.SUCCEEDED), ("decline", Outcome.FAILED)])
def test_payer_is_asked_and_the_callback_tells(harness: SandboxHarness, decides: str, outcome: Outcome) -> None:
    asked = scripted(harness, "require_action")
    assert asked.outcome is Outcome.REQUIRES_ACTION
    assert asked.action is not None
    assert asked.action.url
    getattr(harness.provider, decides)("pm_1")
    [callback] = harness.callbacks()
    harness.gateway.verify_webhook(callback.headers, callback.body)
    [notice] = harness.gateway.translate_webhook(callback.body)
    assert isinstance(notice, SaveResult)
    assert (notice.reference, notice.outcome) == ("pm_1", outcome)
    assert harness.gateway.fetch_saved("pm_1") == notice


def test_redirect_is_kept_after_the_payer_agreed(harness: SandboxHarness) -> None:
    asked = harness.gateway.save_method(a_save(method="sandbox_redirect"))
    assert asked.outcome is Outcome.REQUIRES_ACTION
    harness.approve("pm_1")
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.SUCCEEDED


def test_method_that_is_not_kept_is_rejected(harness: SandboxHarness) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.save_method(a_save(method="sandbox_qr"))


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_5xx_after_effect", "torn_answer", "unsigned_answer"])
def test_lost_answer_is_unknown_and_asking_resolves_it(harness: SandboxHarness, fault: str) -> None:
    with pytest.raises(GatewayOutcomeUnknown):
        scripted(harness, f"save_{fault}")
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("fault", ["timeout_before_effect", "error_5xx_before_effect"])
def test_lost_request_left_nothing_and_repeating_it_saves_once(harness: SandboxHarness, fault: str) -> None:
    with pytest.raises(GatewayOutcomeUnknown):
        scripted(harness, f"save_{fault}")
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.NOT_FOUND
    assert scripted(harness, f"save_{fault}").outcome is Outcome.SUCCEEDED


def test_unavailable_says_that_nothing_happened(harness: SandboxHarness) -> None:
    with pytest.raises(GatewayUnavailable):
        scripted(harness, "save_unavailable")
    assert harness.provider.book.rows("SELECT * FROM keep") == []


def test_kept_card_is_charged(harness: SandboxHarness) -> None:
    assert charge(harness, kept(harness)) == (Outcome.SUCCEEDED, "")


@pytest.mark.parametrize(
    ("script", "is_off_session", "expected"),
    [
        ("approve", True, (Outcome.SUCCEEDED, "")),
        ("approve+absent_needs_proof", True, (Outcome.FAILED, "authentication_required")),
        ("approve+absent_needs_proof", False, (Outcome.REQUIRES_ACTION, "")),
        ("approve+later_decline(expired_card)", True, (Outcome.FAILED, "expired_card")),
        ("approve+later_decline", False, (Outcome.FAILED, "card_declined")),
    ],
)
def test_later_charges_play_what_the_card_was_saved_with(
    harness: SandboxHarness, script: str, is_off_session: bool, expected: tuple[Outcome, str]
) -> None:
    assert charge(harness, kept(harness, script), is_off_session=is_off_session) == expected


def test_forgotten_card_can_never_be_charged_again_and_forgetting_is_safe_to_repeat(harness: SandboxHarness) -> None:
    token = kept(harness)
    for _ in range(2):
        harness.gateway.forget_method(token, method="card")
    assert charge(harness, token) == (Outcome.FAILED, "mandate_ended")
    assert charge(harness, SavedToken("kept_never"), "pay_2") == (Outcome.FAILED, "mandate_ended")
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.CANCELED


def test_payment_saves_its_card_only_when_it_takes_money(harness: SandboxHarness) -> None:
    paid = harness.gateway.create_payment(a_payment(harness, saves_method=True, payer_reference="usr_1"))
    assert paid.saved is not None
    assert charge(harness, SavedToken(paid.saved.token), "pay_2", is_off_session=True) == (Outcome.SUCCEEDED, "")
    options = {"sandbox": "decline"}
    failed = harness.gateway.create_payment(a_payment(harness, reference="pay_3", saves_method=True, options=options))
    assert failed.saved is None


def test_payment_that_is_approved_later_tells_what_was_saved(harness: SandboxHarness) -> None:
    options = {"sandbox": "require_action"}
    asked = harness.gateway.create_payment(a_payment(harness, saves_method=True, options=options))
    assert asked.saved is None
    harness.approve("pay_1")
    assert harness.gateway.fetch_payment("pay_1").saved is not None


def test_page_asks_to_keep_and_takes_the_decision(harness: SandboxHarness) -> None:
    asked = scripted(harness, "require_action")
    assert asked.action is not None
    path = asked.action.url.removeprefix("http://sandbox.test")
    shown = respond(harness.provider, ProviderRequest("GET", path))
    assert (shown.status, b"Keep your card" in shown.body) == (200, True)
    done = respond(harness.provider, ProviderRequest("POST", path, body=b"decision=approve"))
    assert done.status == 303
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.SUCCEEDED
