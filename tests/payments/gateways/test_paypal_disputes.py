from typing import Any

import pytest

from payments.gateways.abilities import DisputeEvidence, EvidenceFile
from payments.gateways.contract import DisputeStatus, GatewayOutcomeUnknown, GatewayRejected
from tests.payments.gateways.contract_harness import paid
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.simulators.paypal import disputes

PDF = EvidenceFile("proof.pdf", "application/pdf", "delivery", b"%PDF-1.4 proof")


@pytest.fixture
def harness() -> PayPalHarness:
    harness = PayPalHarness()
    paid(harness)
    return harness


def evidence(dispute_id: str, *files: EvidenceFile) -> DisputeEvidence:
    texts = {"explanation": "It was delivered.", "tracking_number": "1Z999", "carrier": "UPS"}
    return DisputeEvidence(dispute_id, texts, files)


def test_dispute_says_what_it_is_about(harness: PayPalHarness) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    notice = harness.gateway.fetch_dispute(dispute_id)
    assert (notice.gateway_reference, notice.payment_reference) == (dispute_id, "pay_1")
    assert (notice.amount_minor, notice.currency) == (1234, "USD")
    assert (notice.status, notice.reason) == (DisputeStatus.NEEDS_RESPONSE, "not_received")
    assert notice.evidence_due_at is not None
    assert notice.occurred_at is not None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"dispute_life_cycle_stage": "INQUIRY"}, DisputeStatus.WARNING),
        ({"status": "WAITING_FOR_BUYER_RESPONSE"}, DisputeStatus.UNDER_REVIEW),
        ({"status": "UNDER_REVIEW"}, DisputeStatus.UNDER_REVIEW),
        ({"status": "REQUIRED_ACTION"}, DisputeStatus.NEEDS_RESPONSE),
        ({"status": "PONDERING"}, DisputeStatus.NEEDS_RESPONSE),
        ({"status": "PONDERING", "seller_response_due_date": None}, DisputeStatus.UNDER_REVIEW),
    ],
)
def test_state_of_an_open_dispute(harness: PayPalHarness, changes: dict[str, Any], status: DisputeStatus) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1", **changes)
    harness.world.disputes[dispute_id] |= changes
    assert harness.gateway.fetch_dispute(dispute_id).status is status


@pytest.mark.parametrize(
    ("outcome", "movements", "status"),
    [
        ("RESOLVED_SELLER_FAVOUR", [], DisputeStatus.WON),
        ("CANCELED_BY_BUYER", [], DisputeStatus.WON),
        ("DENIED", [], DisputeStatus.WON),
        ("RESOLVED_BUYER_FAVOUR", [], DisputeStatus.LOST),
        ("ACCEPTED", [], DisputeStatus.LOST),
        ("SOMETHING_NEW", [], DisputeStatus.LOST),
        ("RESOLVED_WITH_PAYOUT", [], DisputeStatus.WON),
        ("RESOLVED_WITH_PAYOUT", [{"affected_party": "SELLER"}], DisputeStatus.LOST),
    ],
)
def test_how_a_dispute_ended(
    harness: PayPalHarness, outcome: str, movements: list[dict[str, str]], status: DisputeStatus
) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    disputes.resolve(harness.world, dispute_id, outcome, money_movements=movements)
    assert harness.gateway.fetch_dispute(dispute_id).status is status


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("UNAUTHORISED", "fraudulent"), ("DUPLICATE_TRANSACTION", "duplicate"), ("SOMETHING_NEW", "other")],
)
def test_reason_is_one_of_ours(harness: PayPalHarness, reason: str, ours: str) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1", reason=reason)
    assert harness.gateway.fetch_dispute(dispute_id).reason == ours


def test_fee_is_what_the_seller_was_charged(harness: PayPalHarness) -> None:
    fee = {"affected_party": "SELLER", "reason": "DISPUTE_FEE", "amount": {"currency_code": "USD", "value": "15.00"}}
    dispute_id = disputes.open_dispute(harness.world, "pay_1", money_movements=[fee])
    assert harness.gateway.fetch_dispute(dispute_id).fee_minor == 1500


def test_dispute_that_does_not_repeat_our_number_finds_it_by_the_capture(harness: PayPalHarness) -> None:
    [capture_id] = harness.world.captures
    transactions = [{"seller_transaction_id": capture_id}]
    dispute_id = disputes.open_dispute(harness.world, "pay_1", disputed_transactions=transactions)
    notice = harness.gateway.fetch_dispute(dispute_id)
    assert (notice.payment_reference, notice.payment_gateway_reference) == ("pay_1", harness.told["pay_1"])


def test_evidence_is_sent_with_its_files_once(harness: PayPalHarness) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    for _ in range(2):
        notice = harness.gateway.submit_evidence(evidence(dispute_id, PDF))
        assert notice.status is DisputeStatus.UNDER_REVIEW
    [(_, body)] = harness.world.evidence
    assert b"It was delivered." in body
    assert b"1Z999" in body
    assert PDF.body in body


def test_lost_answer_to_evidence_is_unknown_and_repeating_sends_nothing_twice(harness: PayPalHarness) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    harness.transport.trouble("/provide-evidence$", "timeout_after_effect")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.submit_evidence(evidence(dispute_id))
    assert harness.gateway.submit_evidence(evidence(dispute_id)).status is DisputeStatus.UNDER_REVIEW
    assert len(harness.world.evidence) == 1


def test_file_name_cannot_break_out_of_its_header(harness: PayPalHarness) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    name = '../../x"\r\nX-Evil: 1\r\n\r\n.pdf'
    harness.gateway.submit_evidence(evidence(dispute_id, EvidenceFile(name, "application/pdf", "receipt", b"%PDF")))
    [(_, body)] = harness.world.evidence
    assert b"X-Evil: 1" not in body
    assert b"../" not in body


@pytest.mark.parametrize(
    "file",
    [
        EvidenceFile("a.exe", "application/x-msdownload", "other", b"MZ"),
        EvidenceFile("a.pdf", "application/pdf", "other", b"x" * (10 * 1024 * 1024 + 1)),
    ],
)
def test_file_that_paypal_does_not_take_is_refused_before_it_is_asked(
    harness: PayPalHarness, file: EvidenceFile
) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    with pytest.raises(GatewayRejected):
        harness.gateway.submit_evidence(evidence(dispute_id, file))
    assert harness.world.evidence == []


def test_inquiry_takes_no_evidence_yet(harness: PayPalHarness) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1", stage="INQUIRY")
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.submit_evidence(evidence(dispute_id))
    assert refused.value.code == "not_possible_now"
    assert harness.world.evidence == []


def test_accepted_dispute_is_lost_and_accepting_again_says_so(harness: PayPalHarness) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    for _ in range(2):
        assert harness.gateway.accept_dispute(dispute_id).status is DisputeStatus.LOST
    assert len(harness.transport.asked("/accept-claim$")) == 1


def test_unknown_and_foreign_disputes_are_refused(harness: PayPalHarness) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.fetch_dispute("PP-D-NEVER")
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    harness.world.disputes[dispute_id]["dispute_id"] = "PP-D-OTHER"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_dispute(dispute_id)


@pytest.mark.parametrize("changes", [{"dispute_amount": {"value": "1"}}, {"status": 7}, {"reason": 7}])
def test_malformed_dispute_is_unknown(harness: PayPalHarness, changes: dict[str, Any]) -> None:
    dispute_id = disputes.open_dispute(harness.world, "pay_1")
    harness.world.disputes[dispute_id] |= changes
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_dispute(dispute_id)
