"""What Stripe's adapter does beside the contract: sheets, proofs, kept methods, captures, keys, money."""

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    Outcome,
    SavedToken,
)
from tests.payments.gateways.contract_harness import a_payment, a_refund, paid
from tests.payments.gateways.stripe_harness import StripeHarness, gateway_on


@pytest.fixture
def harness() -> StripeHarness:
    return StripeHarness()


def _sent(harness: StripeHarness, path: str) -> list[HttpRequest]:
    return [request for request in harness.simulator.seen if request.url.partition("?")[0].endswith(path)]


# --- the payer's sheet ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["card", "apple_pay", "google_pay"])
def test_without_a_token_the_app_gets_what_its_sheet_needs(harness: StripeHarness, method: str) -> None:
    result = harness.gateway.create_payment(a_payment(harness, method=method))
    assert result.outcome is Outcome.REQUIRES_ACTION
    assert result.action is not None
    assert result.action.kind is ActionKind.APP
    assert result.action.app_parameters == {
        "client_secret": harness.simulator.intent("pay_1")["client_secret"],
        "publishable_key": "pk_test_simulated",
        "payment_intent": result.gateway_reference,
    }


def test_declined_card_in_the_sheet_leaves_the_payment_open(harness: StripeHarness) -> None:
    created = harness.create(a_payment(harness, method="google_pay"))
    harness.simulator.pay_in_sheet("pay_1", "pm_card_chargeDeclined")
    assert harness.fetch().outcome is Outcome.REQUIRES_ACTION
    assert {notice.outcome for notice in harness.notices()} == {Outcome.REQUIRES_ACTION}  # type: ignore[union-attr]  # payments only
    harness.simulator.pay_in_sheet("pay_1")
    assert harness.fetch().outcome is Outcome.SUCCEEDED
    assert harness.fetch().gateway_reference == created.gateway_reference


def test_request_says_once_whose_payment_it_is_and_pins_the_version(harness: StripeHarness) -> None:
    harness.create(a_payment(harness))
    [request] = _sent(harness, "/v1/payment_intents")
    said = parse_qs(request.body.decode())
    assert request.headers["Idempotency-Key"] == "pay_1"
    assert request.headers["Stripe-Version"] == "2026-10-28.endive"
    assert "X-Stripe-Client-User-Agent" not in request.headers
    assert said["metadata[reference]"] == ["pay_1"]
    assert said["allowed_payment_method_types[0]"] == ["card"]
    assert said["capture_method"] == ["automatic"]


def test_fee_is_told_when_it_is_in_the_payments_currency(harness: StripeHarness) -> None:
    assert paid(harness).fee_minor == 66


def test_fee_in_the_settlement_currency_is_not_taken_for_the_payments(harness: StripeHarness) -> None:
    assert harness.pay(a_payment(harness, currency="EUR")).fee_minor is None


# --- one try, confirmed here ----------------------------------------------------------------------------------------


def test_declined_try_is_canceled_so_that_nobody_can_pay_it_any_more(harness: StripeHarness) -> None:
    result = harness.create(a_payment(harness, options={"token": "pm_card_chargeDeclinedLostCard"}))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "lost_or_stolen")
    assert result.failure_message.startswith("lost_card: ")
    assert harness.simulator.intent("pay_1")["status"] == "canceled"
    harness.simulator.pay_in_sheet("pay_1")
    assert harness.fetch() == result


def test_decline_whose_cancel_is_lost_is_unknown_and_asking_finishes_it(harness: StripeHarness) -> None:
    def loses_the_cancel(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("/cancel"):
            raise GatewayUnavailable("connection refused")
        return harness.simulator(request)

    gateway = gateway_on(loses_the_cancel, harness.simulator)
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.create_payment(a_payment(harness, options={"token": "pm_card_chargeDeclined"}))
    assert harness.simulator.intent("pay_1")["status"] == "requires_payment_method"
    result = harness.fetch()
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "card_declined")
    assert harness.simulator.intent("pay_1")["status"] == "canceled"


def test_callback_of_a_declined_try_does_not_say_failed_before_it_is_canceled(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, options={"token": "pm_card_chargeDeclined"}))
    told = [notice.outcome for notice in harness.notices()]  # type: ignore[union-attr]  # payments only
    assert told == [Outcome.PENDING, Outcome.PENDING, Outcome.FAILED]


def test_repeated_decline_says_the_same(harness: StripeHarness) -> None:
    request = a_payment(harness, options={"token": "pm_card_chargeDeclined"})
    first = harness.create(request)
    assert harness.create(request) == first
    assert harness.payments_made() == 1


@pytest.mark.parametrize("token", ["4242424242424242", "tok_visa", "pm_../v1", "", 7, "pm_" + "x" * 300])
def test_what_is_no_payment_method_of_stripes_never_leaves_the_house(harness: StripeHarness, token: object) -> None:
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.create_payment(a_payment(harness, options={"token": token}))
    assert refused.value.code == "invalid_details"
    assert harness.simulator.seen == []


def test_proof_sends_the_payer_to_the_bank_and_back(harness: StripeHarness) -> None:
    result = harness.create(a_payment(harness, options={"token": "pm_card_authenticationRequired"}))
    assert result.outcome is Outcome.REQUIRES_ACTION
    assert result.action is not None
    assert result.action.kind is ActionKind.REDIRECT
    assert result.action.url.startswith("https://hooks.stripe.com/")
    assert not result.action.app_parameters
    harness.simulator.prove("pay_1")
    assert harness.fetch().outcome is Outcome.SUCCEEDED


def test_failed_proof_fails_the_payment_and_ends_it(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, options={"token": "pm_card_authenticationRequired"}))
    harness.simulator.prove("pay_1", is_proven=False)
    result = harness.fetch()
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "authentication_failed")
    assert harness.simulator.intent("pay_1")["status"] == "canceled"


def test_must_prove_asks_for_three_d_secure_with_any_card(harness: StripeHarness) -> None:
    assert harness.create(a_payment(harness, must_prove=True)).outcome is Outcome.REQUIRES_ACTION
    said = parse_qs(_sent(harness, "/v1/payment_intents")[0].body.decode())
    assert said["payment_method_options[card][request_three_d_secure]"] == ["any"]


def test_nobody_there_to_prove_it_fails_with_authentication_required(harness: StripeHarness) -> None:
    saved = SavedToken("pm_card_authenticationRequired")
    result = harness.create(a_payment(harness, saved=saved, is_off_session=True))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "authentication_required")
    assert harness.simulator.intent("pay_1")["status"] == "canceled"


# --- keeping a method -----------------------------------------------------------------------------------------------


def test_payment_keeps_the_method_and_it_can_be_charged_unasked(harness: StripeHarness) -> None:
    first = harness.create(
        a_payment(harness, options={"token": "pm_card_visa"}, saves_method=True, payer_reference="usr_1")
    )
    assert first.saved is not None
    assert (first.saved.brand, first.saved.last4, first.saved.expiry_year) == ("visa", "4242", 2030)
    assert first.saved.fingerprint
    token = SavedToken(first.saved.token, first.saved.customer_reference)
    later = a_payment(harness, reference="pay_2", saved=token, is_off_session=True)
    assert harness.create(later).outcome is Outcome.SUCCEEDED
    said = parse_qs(_sent(harness, "/v1/payment_intents")[1].body.decode())
    assert (said["off_session"], said["customer"]) == (["true"], [token.customer_reference])


def test_one_person_is_one_customer_however_often_they_pay(harness: StripeHarness) -> None:
    for number in range(3):
        harness.create(a_payment(harness, reference=f"pay_{number}", saves_method=True, payer_reference="usr_1"))
    assert len(harness.simulator.book.all_of("customer")) == 1


def test_sheet_of_a_known_customer_gets_a_customer_session(harness: StripeHarness) -> None:
    request = a_payment(harness, method="apple_pay", saves_method=True, payer_reference="usr_1")
    action = harness.create(request).action
    assert action is not None
    assert action.app_parameters["customer_session"].startswith("cuss_secret_cus_")
    harness.simulator.pay_in_sheet("pay_1")
    assert harness.fetch().saved is not None


def test_app_with_an_older_sdk_gets_an_ephemeral_key_of_its_version(harness: StripeHarness) -> None:
    options = {"mobile_api_version": "2024-06-20"}
    request = a_payment(harness, method="apple_pay", saves_method=True, payer_reference="usr_1", options=options)
    action = harness.create(request).action
    assert action is not None
    assert action.app_parameters["ephemeral_key"] == "ek_test_2024-06-20"


def test_payment_is_not_lost_because_its_customer_session_was(harness: StripeHarness) -> None:
    def loses_the_session(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("/customer_sessions"):
            raise GatewayOutcomeUnknown("no answer")
        return harness.simulator(request)

    gateway = gateway_on(loses_the_session, harness.simulator)
    result = gateway.create_payment(a_payment(harness, method="card", saves_method=True, payer_reference="usr_1"))
    assert result.action is not None
    assert "client_secret" in result.action.app_parameters
    assert "customer_session" not in result.action.app_parameters


def test_payment_whose_customer_cannot_be_made_did_not_happen(harness: StripeHarness) -> None:
    harness.simulator.trouble["*"] = "timeout_after_effect"
    with pytest.raises(GatewayUnavailable):
        harness.create(a_payment(harness, saves_method=True, payer_reference="usr_1"))
    assert harness.payments_made() == 0


# --- taking what is held --------------------------------------------------------------------------------------------


def test_account_without_multicapture_lets_the_rest_go(harness: StripeHarness) -> None:
    gateway = gateway_on(harness.simulator, harness.simulator)
    gateway.create_payment(harness.dress(a_payment(harness, capture=False)))
    result = gateway.capture_payment("pay_1", capture_reference="cap_1", amount_minor=1000, currency="USD")
    assert (result.outcome, result.amount_minor, result.captured_minor) == (Outcome.SUCCEEDED, 1234, 1000)


def test_captures_in_parts_add_up_and_a_void_keeps_what_was_taken(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, capture=False))
    harness.take(amount_minor=400)
    both = harness.take(amount_minor=500, reference="cap_2")
    assert (both.outcome, both.captured_minor) == (Outcome.AUTHORIZED, 900)
    assert harness.take(amount_minor=400) == both
    voided = harness.void()
    assert (voided.outcome, voided.captured_minor) == (Outcome.SUCCEEDED, 900)


def test_lost_answer_to_a_capture_is_unknown_and_the_same_capture_takes_once(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, capture=False))

    def loses_the_capture(request: HttpRequest) -> HttpResponse:
        response = harness.simulator(request)
        if request.url.endswith("/capture"):
            raise GatewayOutcomeUnknown("no answer")
        return response

    with pytest.raises(GatewayOutcomeUnknown):
        gateway_on(loses_the_capture, harness.simulator).capture_payment(
            "pay_1", capture_reference="cap_1", amount_minor=1000, currency="USD"
        )
    assert harness.take(amount_minor=1000).captured_minor == 1000


def test_capture_in_another_currency_is_refused_before_anything_is_taken(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, capture=False))
    with pytest.raises(GatewayRejected):
        harness.gateway.capture_payment("pay_1", capture_reference="cap_1", amount_minor=100, currency="EUR")
    assert _sent(harness, "/capture") == []


# --- keys, the index, and closing -----------------------------------------------------------------------------------


def test_what_the_index_does_not_know_yet_is_found_by_repeating(harness: StripeHarness) -> None:
    harness.simulator.index_lag_seconds = 60
    harness.simulator.trouble["pay_1"] = "timeout_after_effect"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    assert harness.fetch().outcome is Outcome.NOT_FOUND
    assert harness.recover(a_payment(harness)).outcome is Outcome.SUCCEEDED
    assert harness.payments_made() == 1


def test_kept_500_stays_a_500_and_the_index_tells_the_truth(harness: StripeHarness) -> None:
    harness.simulator.index_lag_seconds = 60
    harness.simulator.trouble["pay_1"] = "stored_500"
    for _ in range(3):
        with pytest.raises(GatewayOutcomeUnknown):
            harness.create(a_payment(harness))
    assert harness.fetch().outcome is Outcome.NOT_FOUND
    harness.clock.advance(61)
    assert harness.fetch().outcome is Outcome.SUCCEEDED
    assert harness.payments_made() == 1


def test_repeat_says_what_the_payment_is_now_and_not_what_it_was(harness: StripeHarness) -> None:
    request = a_payment(harness, method="apple_pay")
    harness.create(request)
    harness.simulator.pay_in_sheet("pay_1")
    assert harness.create(request).outcome is Outcome.SUCCEEDED


def test_closing_what_arrived_but_is_not_indexed_is_unknown_and_changes_nothing(harness: StripeHarness) -> None:
    harness.simulator.index_lag_seconds = 60
    harness.simulator.trouble["pay_1"] = "timeout_after_effect"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    with pytest.raises(GatewayOutcomeUnknown):
        harness.close()
    assert harness.payments_made() == 1
    assert harness.simulator.intent("pay_1")["status"] == "succeeded"


def test_closing_a_hold_leaves_it_held(harness: StripeHarness) -> None:
    harness.create(a_payment(harness, capture=False))
    assert harness.close().outcome is Outcome.AUTHORIZED


def test_rate_limit_is_no_effect_and_a_lock_is_unknown(harness: StripeHarness) -> None:
    harness.simulator.trouble["pay_1"] = "rate_limited"
    with pytest.raises(GatewayUnavailable):
        harness.create(a_payment(harness))
    harness.simulator.trouble["pay_1"] = "lock_timeout"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    assert harness.payments_made() == 0


def test_wrong_key_is_told_as_an_account_that_is_set_up_wrongly(harness: StripeHarness) -> None:
    harness.simulator.secret_key = "sk_test_another"
    with pytest.raises(GatewayRejected) as refused:
        harness.create(a_payment(harness))
    assert refused.value.code == "account_misconfigured"
    with pytest.raises(GatewayRejected):
        harness.gateway.probe()


def test_probe_names_the_account(harness: StripeHarness) -> None:
    assert harness.gateway.probe() == "Simulated shop (acct_sim)"


# --- refunds --------------------------------------------------------------------------------------------------------


def test_refund_sent_back_by_the_bank_is_told_as_failed(harness: StripeHarness) -> None:
    harness.refund(a_refund(harness, paid(harness), amount_minor=234))
    harness.callbacks()
    harness.simulator.intents.fail_refund(harness.simulator.book.all_of("refund")[0], "expired_or_canceled_card")
    assert {(notice.outcome, notice.failure_code) for notice in harness.notices()} == {  # type: ignore[union-attr]  # refunds only
        (Outcome.FAILED, "account_closed")
    }
    assert harness.fetch_refund().outcome is Outcome.FAILED


def test_refund_is_found_without_any_other_number(harness: StripeHarness) -> None:
    made = harness.refund(a_refund(harness, paid(harness), amount_minor=234))
    assert harness.gateway.fetch_refund("ref_1") == made


def test_refund_callback_says_all_that_a_query_says(harness: StripeHarness) -> None:
    made = harness.refund(a_refund(harness, paid(harness), amount_minor=234))
    assert made in harness.notices()


def test_refund_number_used_with_another_amount_is_unknown(harness: StripeHarness) -> None:
    """The first may have had its effect."""
    request = a_refund(harness, paid(harness), amount_minor=234)
    harness.refund(request)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.create_refund(replace(request, amount_minor=235))
    assert harness.refunds_made() == 1
