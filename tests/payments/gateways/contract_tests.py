"""What every gateway adapter must do, whatever provider is behind it.

A gateway's test file inherits :class:`GatewayContractTests` and gives a ``harness`` fixture: the adapter, and the
hands to move its counterpart. Abilities the gateway does not have are skipped by their Protocol.
"""

from dataclasses import replace

import pytest

from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Outcome,
    PaymentResult,
    RefundResult,
    WebhookRefused,
)
from payments.gateways.failures import FAILURES
from tests.payments.gateways.contract_harness import (
    EFFECTIVE_TROUBLES,
    EFFECTLESS_TROUBLES,
    GatewayHarness,
    SignedCallback,
    Trouble,
    a_payment,
    a_refund,
    capture_capable,
    close_capable,
    hold,
    needs_action,
    paid,
    require,
)


class GatewayContractTests:
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        raise NotImplementedError("the gateway's test file gives the harness")

    # --- paying ------------------------------------------------------------------------------------------------

    def test_payment_succeeds_and_echoes_amount_and_currency(self, harness: GatewayHarness) -> None:
        result = paid(harness)
        assert (result.reference, result.outcome) == ("pay_1", Outcome.SUCCEEDED)
        assert (result.amount_minor, result.currency, result.captured_minor) == (1234, harness.currency, 1234)
        assert result.gateway_reference
        assert result.occurred_at is not None
        assert result.occurred_at.tzinfo is not None

    def test_asking_twice_says_the_same(self, harness: GatewayHarness) -> None:
        first = paid(harness)
        assert harness.fetch() == first

    def test_same_reference_twice_is_one_payment(self, harness: GatewayHarness) -> None:
        first = harness.create(a_payment(harness))
        again = harness.create(a_payment(harness))
        assert (again.outcome, again.gateway_reference) == (first.outcome, first.gateway_reference)
        assert harness.settle(again).outcome is Outcome.SUCCEEDED
        assert harness.payments_made() == 1

    def test_same_reference_with_another_amount_is_refused(self, harness: GatewayHarness) -> None:
        require(harness.is_safe_to_repeat_changed, "the provider does not compare")
        first = paid(harness)
        with pytest.raises(GatewayRejected):
            harness.create(replace(a_payment(harness), amount_minor=9999))
        assert harness.fetch() == first
        assert harness.payments_made() == 1

    def test_unknown_reference_is_not_found(self, harness: GatewayHarness) -> None:
        assert harness.fetch("pay_never").outcome is Outcome.NOT_FOUND
        paid(harness)
        assert harness.fetch_refund("ref_never").outcome is Outcome.NOT_FOUND

    def test_method_the_gateway_does_not_have_is_rejected_without_effect(self, harness: GatewayHarness) -> None:
        with pytest.raises(GatewayRejected):
            harness.gateway.create_payment(replace(a_payment(harness), method="seashells"))
        assert harness.payments_made() == 0

    def test_decline_says_why(self, harness: GatewayHarness) -> None:
        require(harness.can_decline, "no method of this gateway is refused for good")
        harness.decline_next_payment("pay_1")
        result = harness.pay(a_payment(harness))
        assert result.outcome is Outcome.FAILED
        assert result.failure_code in FAILURES
        assert not result.captured_minor

    def test_payment_that_needs_the_payer_says_where_to_go_and_succeeds_after(self, harness: GatewayHarness) -> None:
        result = harness.create(needs_action(harness))
        assert result.outcome is Outcome.REQUIRES_ACTION
        assert result.action is not None
        what = {
            ActionKind.REDIRECT: result.action.url,
            ActionKind.QR_CODE: result.action.qr_text,
            ActionKind.APP: result.action.app_parameters,
            ActionKind.BANK_TRANSFER: result.action.app_parameters,
        }
        assert what[result.action.kind]
        harness.approve("pay_1")
        assert harness.fetch().outcome is Outcome.SUCCEEDED

    def test_unlisted_state_is_pending(self, harness: GatewayHarness) -> None:
        harness.answer_unlisted_state("pay_1")
        harness.create(a_payment(harness))
        assert harness.fetch().outcome is Outcome.PENDING

    # --- trouble -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("trouble", EFFECTIVE_TROUBLES)
    def test_lost_answer_is_unknown_and_asking_resolves_it(self, harness: GatewayHarness, trouble: Trouble) -> None:
        harness.trouble_next_payment("pay_1", trouble)
        with pytest.raises(GatewayOutcomeUnknown):
            harness.create(a_payment(harness))
        known = harness.recover(a_payment(harness))
        assert known.outcome in (Outcome.SUCCEEDED, Outcome.REQUIRES_ACTION)
        assert harness.settle(harness.create(a_payment(harness))).outcome is Outcome.SUCCEEDED
        assert harness.payments_made() == 1

    @pytest.mark.parametrize("trouble", EFFECTLESS_TROUBLES)
    def test_lost_request_is_unknown_and_repeating_it_pays_once(
        self, harness: GatewayHarness, trouble: Trouble
    ) -> None:
        harness.trouble_next_payment("pay_1", trouble)
        with pytest.raises(GatewayOutcomeUnknown):
            harness.create(a_payment(harness))
        assert harness.fetch().outcome is Outcome.NOT_FOUND
        assert harness.pay(a_payment(harness)).outcome is Outcome.SUCCEEDED
        assert harness.payments_made() == 1

    def test_refused_connection_is_unavailable_without_effect(self, harness: GatewayHarness) -> None:
        harness.trouble_next_payment("pay_1", Trouble.CONNECTION_REFUSED)
        with pytest.raises(GatewayUnavailable):
            harness.create(a_payment(harness))
        assert harness.payments_made() == 0

    # --- holding and taking ------------------------------------------------------------------------------------

    def test_hold_is_authorized_and_nothing_is_captured(self, harness: GatewayHarness) -> None:
        result = hold(harness)
        assert (result.outcome, result.amount_minor) == (Outcome.AUTHORIZED, 1234)
        assert not result.captured_minor

    def test_full_capture_succeeds(self, harness: GatewayHarness) -> None:
        hold(harness)
        result = harness.take(amount_minor=1234)
        assert (result.outcome, result.captured_minor) == (Outcome.SUCCEEDED, 1234)

    def test_partial_capture_says_how_much(self, harness: GatewayHarness) -> None:
        hold(harness)
        result = harness.take(amount_minor=1000)
        # Where the rest is still held and can be taken, only a void, or taking all of it, makes it succeeded.
        rest = Outcome.AUTHORIZED if harness.captures_in_parts else Outcome.SUCCEEDED
        assert (result.outcome, result.captured_minor) == (rest, 1000)

    def test_same_capture_reference_takes_once(self, harness: GatewayHarness) -> None:
        hold(harness)
        harness.take(amount_minor=600)
        assert harness.take(amount_minor=600).captured_minor == 600

    def test_capture_of_more_than_held_is_refused(self, harness: GatewayHarness) -> None:
        hold(harness)
        with pytest.raises(GatewayRejected):
            harness.take(amount_minor=1235)
        assert harness.fetch().outcome is Outcome.AUTHORIZED
        assert not harness.fetch().captured_minor

    def test_voided_hold_is_canceled_and_cannot_be_captured(self, harness: GatewayHarness) -> None:
        hold(harness)
        assert harness.void().outcome is Outcome.CANCELED
        if harness.voids_what_is_void:
            assert harness.void().outcome is Outcome.CANCELED
        with pytest.raises(GatewayRejected):
            harness.take(amount_minor=1)
        assert harness.fetch().outcome is Outcome.CANCELED

    def test_captured_payment_cannot_be_voided(self, harness: GatewayHarness) -> None:
        capture_capable(harness)
        paid(harness)
        with pytest.raises(GatewayRejected):
            harness.void()
        assert harness.fetch().captured_minor == 1234

    # --- closing -----------------------------------------------------------------------------------------------

    def test_closed_payment_can_never_be_paid(self, harness: GatewayHarness) -> None:
        close_capable(harness)
        harness.create(needs_action(harness))
        assert harness.close().outcome is Outcome.CANCELED
        harness.approve("pay_1")
        assert harness.fetch().outcome is Outcome.CANCELED
        try:
            again = harness.create(needs_action(harness)).outcome
        except GatewayRejected:
            again = Outcome.CANCELED
        assert again is Outcome.CANCELED

    def test_closing_what_never_arrived_keeps_it_out_for_ever(self, harness: GatewayHarness) -> None:
        close_capable(harness)
        require(harness.closes_what_never_arrived, "the provider forgets what it never had")
        assert harness.close().outcome is Outcome.CANCELED
        with pytest.raises(GatewayRejected):
            harness.create(a_payment(harness))
        assert harness.fetch().outcome is Outcome.CANCELED

    def test_closing_a_paid_payment_answers_that_it_is_paid(self, harness: GatewayHarness) -> None:
        close_capable(harness)
        paid(harness)
        assert harness.close().outcome is Outcome.SUCCEEDED

    # --- refunds -----------------------------------------------------------------------------------------------

    def test_refund_succeeds_and_echoes_amount_and_currency(self, harness: GatewayHarness) -> None:
        result = harness.refund(a_refund(harness, paid(harness), amount_minor=234))
        assert (result.reference, result.outcome) == ("ref_1", Outcome.SUCCEEDED)
        assert (result.amount_minor, result.currency) == (234, harness.currency)
        assert harness.fetch_refund() == result

    def test_refund_leaves_the_payment_paid(self, harness: GatewayHarness) -> None:
        payment = paid(harness)
        harness.refund(a_refund(harness, payment, amount_minor=1234))
        after = harness.fetch()
        assert (after.outcome, after.amount_minor, after.captured_minor) == (Outcome.SUCCEEDED, 1234, 1234)

    def test_same_refund_reference_gives_back_once(self, harness: GatewayHarness) -> None:
        request = a_refund(harness, paid(harness), amount_minor=1000)
        first = harness.refund(request)
        assert harness.refund(request) == first
        assert harness.refunds_made() == 1

    def test_refunds_above_what_was_captured_are_refused(self, harness: GatewayHarness) -> None:
        payment = paid(harness)
        harness.refund(a_refund(harness, payment, amount_minor=1000))
        with pytest.raises(GatewayRejected):
            harness.gateway.create_refund(replace(a_refund(harness, payment, amount_minor=235), reference="ref_2"))
        assert harness.fetch_refund("ref_2").outcome is Outcome.NOT_FOUND
        assert harness.refunds_made() == 1

    @pytest.mark.parametrize("trouble", EFFECTIVE_TROUBLES)
    def test_lost_answer_to_a_refund_is_unknown_and_asking_resolves_it(
        self, harness: GatewayHarness, trouble: Trouble
    ) -> None:
        request = a_refund(harness, paid(harness), amount_minor=1000)
        harness.trouble_next_refund("ref_1", trouble)
        with pytest.raises(GatewayOutcomeUnknown):
            harness.gateway.create_refund(request)
        known = harness.fetch_refund()
        # Where asking cannot find it the core sends the same again, which must find it.
        assert known.outcome is not Outcome.NOT_FOUND or harness.gateway.resolves_by_repeating
        assert harness.refund(request).outcome is Outcome.SUCCEEDED
        assert harness.refunds_made() == 1

    # --- callbacks ---------------------------------------------------------------------------------------------

    def test_callback_says_what_fetch_says(self, harness: GatewayHarness) -> None:
        payment = paid(harness)
        told = [notice for notice in harness.notices() if isinstance(notice, PaymentResult)]
        if harness.payment_notices_are_whole:
            assert told[-1] == payment
        assert "pay_1" in [notice.reference or _ours(harness, notice) for notice in told]

    def test_refund_callback_says_what_fetch_says(self, harness: GatewayHarness) -> None:
        payment = paid(harness)
        harness.callbacks()
        refund = harness.refund(a_refund(harness, payment, amount_minor=100))
        told = [notice for notice in harness.notices() if isinstance(notice, RefundResult)]
        if harness.payment_notices_are_whole:
            assert told[-1] == refund
        assert told[-1].reference == "ref_1"

    def test_replayed_callback_has_the_same_event_id(self, harness: GatewayHarness) -> None:
        callback = _a_callback(harness)
        again = harness.sign(callback.body, age_seconds=5)
        first = harness.gateway.verify_webhook(callback.headers, callback.body)
        assert harness.gateway.verify_webhook(again.headers, again.body).event_id == first.event_id

    def test_changed_callback_is_refused(self, harness: GatewayHarness) -> None:
        callback = _a_callback(harness)
        changed = harness.changed(callback.body)
        assert changed != callback.body
        with pytest.raises(WebhookRefused):
            harness.gateway.verify_webhook(callback.headers, changed)

    def test_callback_signed_by_somebody_else_is_refused(self, harness: GatewayHarness) -> None:
        forged = harness.sign(_a_callback(harness).body, secret="not the secret")
        with pytest.raises(WebhookRefused):
            harness.gateway.verify_webhook(forged.headers, forged.body)

    @pytest.mark.parametrize("age_seconds", [301, 86_400, -310, -86_400])
    def test_stale_callback_and_one_from_the_future_are_refused(
        self, harness: GatewayHarness, age_seconds: int
    ) -> None:
        require(not harness.repeats_notices_for_long, "the provider repeats the first signature for a day")
        old = harness.sign(_a_callback(harness).body, age_seconds=age_seconds)
        with pytest.raises(WebhookRefused):
            harness.gateway.verify_webhook(old.headers, old.body)

    def test_callback_without_its_signature_is_refused(self, harness: GatewayHarness) -> None:
        with pytest.raises(WebhookRefused):
            harness.gateway.verify_webhook({}, harness.unsigned(_a_callback(harness).body))

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"a":' * 3000, b'"text"'])
    def test_signed_nonsense_is_refused(self, harness: GatewayHarness, body: bytes) -> None:
        nonsense = harness.sign(body)
        with pytest.raises(WebhookRefused):
            harness.gateway.verify_webhook(nonsense.headers, nonsense.body)
        with pytest.raises(WebhookRefused):
            harness.gateway.translate_webhook(nonsense.body)


def _a_callback(harness: GatewayHarness) -> SignedCallback:
    paid(harness)
    return harness.callbacks()[-1]


def _ours(harness: GatewayHarness, notice: PaymentResult) -> str:
    """Whose number it is, where the provider names its own only."""
    return next((ours for ours, theirs in harness.told.items() if theirs == notice.gateway_reference), "")
