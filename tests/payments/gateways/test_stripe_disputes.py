"""The merchant's answer to a dispute: once, with files, never too much."""

from typing import Any
from urllib.parse import parse_qs

import pytest

from payments.gateways.abilities import DisputeEvidence, EvidenceFile
from payments.gateways.contract import DisputeStatus, GatewayOutcomeUnknown, GatewayRejected
from tests.payments.gateways.contract_harness import paid
from tests.payments.gateways.stripe_harness import StripeHarness, gateway_on


@pytest.fixture
def harness() -> StripeHarness:
    harness = StripeHarness()
    paid(harness)
    return harness


def _disputed(harness: StripeHarness, *, status: str = "needs_response") -> str:
    charge = harness.simulator.charge_of("pay_1")
    made = harness.simulator.desk.open_dispute(charge, amount=1234, reason="fraudulent", status=status)
    identifier: str = made["id"]
    return identifier


def _file(kind: str, body: bytes = b"%PDF-1.4 proof", content_type: str = "application/pdf") -> EvidenceFile:
    return EvidenceFile(name=f"{kind}.pdf", content_type=content_type, kind=kind, body=body)


def test_dispute_read_by_number_names_our_payment(harness: StripeHarness) -> None:
    notice = harness.gateway.fetch_dispute(_disputed(harness))
    assert (notice.payment_reference, notice.status) == ("pay_1", DisputeStatus.NEEDS_RESPONSE)
    assert notice.payment_gateway_reference == harness.told["pay_1"]
    with pytest.raises(GatewayRejected):
        harness.gateway.fetch_dispute("dp_never")


def test_evidence_goes_where_stripe_wants_it(harness: StripeHarness) -> None:
    dispute = _disputed(harness)
    texts = {
        "explanation": "They used it.",
        "customer_email": "jo@example.com",
        "delivery_date": "2026-11-01",
        "tracking_number": "TN1",
    }
    files = (_file("receipt"), _file("delivery", b"\x89PNG", "image/png"), _file("receipt", b"%PDF second"))
    notice = harness.gateway.submit_evidence(DisputeEvidence(dispute, texts, files))
    assert notice.status is DisputeStatus.UNDER_REVIEW
    kept = harness.simulator.book.things[dispute]["evidence"]
    assert kept["uncategorized_text"] == "They used it.\n\nDelivered on 2026-11-01."
    assert (kept["customer_email_address"], kept["shipping_tracking_number"]) == ("jo@example.com", "TN1")
    bodies = {field: harness.simulator.desk.files[kept[field]] for field in kept if kept[field].startswith("file_")}
    assert bodies == {
        "receipt": b"%PDF-1.4 proof",
        "shipping_documentation": b"\x89PNG",
        "uncategorized_file": b"%PDF second",
    }
    uploads = [request for request in harness.simulator.seen if request.url.endswith("/v1/files")]
    assert {request.headers["Authorization"] for request in uploads} == {"Bearer sk_test_simulated"}


def test_evidence_is_submitted_once_however_often_it_is_sent(harness: StripeHarness) -> None:
    evidence = DisputeEvidence(_disputed(harness), {"explanation": "They used it."})
    for _ in range(2):
        assert harness.gateway.submit_evidence(evidence).status is DisputeStatus.UNDER_REVIEW
    assert harness.simulator.book.things[evidence.gateway_reference]["evidence_details"]["submission_count"] == 1


def test_lost_answer_to_a_submission_is_unknown_and_repeating_finds_it(harness: StripeHarness) -> None:
    evidence = DisputeEvidence(_disputed(harness), {"explanation": "They used it."})
    harness.gateway.fetch_dispute(evidence.gateway_reference)
    harness.simulator.trouble["*"] = "timeout_after_effect"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.submit_evidence(evidence)
    assert harness.gateway.submit_evidence(evidence).status is DisputeStatus.UNDER_REVIEW


@pytest.mark.parametrize(
    "evidence",
    [
        {"files": (_file("receipt", content_type="application/zip"),)},
        {"files": (_file("receipt", b"x" * 2_300_000), _file("policy", b"x" * 2_300_000))},
        {"files": (_file("receipt"), _file("receipt"), _file("receipt"))},
        {"texts": {"explanation": "x" * 20_001}},
    ],
)
def test_what_stripe_would_not_take_is_refused_before_anything_is_sent(
    harness: StripeHarness, evidence: dict[str, Any]
) -> None:
    dispute = _disputed(harness)
    seen = len(harness.simulator.seen)
    with pytest.raises(GatewayRejected):
        harness.gateway.submit_evidence(DisputeEvidence(dispute, **evidence))
    assert len(harness.simulator.seen) == seen


def test_accepting_gives_up_and_is_safe_to_repeat(harness: StripeHarness) -> None:
    dispute = _disputed(harness)
    for _ in range(2):
        assert harness.gateway.accept_dispute(dispute).status is DisputeStatus.LOST


def test_won_dispute_cannot_be_given_up(harness: StripeHarness) -> None:
    dispute = _disputed(harness)
    harness.simulator.desk.end_dispute(harness.simulator.book.things[dispute], "won")
    with pytest.raises(GatewayRejected):
        harness.gateway.accept_dispute(dispute)
    assert harness.gateway.fetch_dispute(dispute).status is DisputeStatus.WON


def test_files_go_to_the_stand_in_and_never_to_stripe_itself(harness: StripeHarness) -> None:
    gateway = gateway_on(harness.simulator, harness.simulator, base_url="http://127.0.0.1:9")
    gateway.submit_evidence(DisputeEvidence(_disputed(harness), files=(_file("receipt"),)))
    assert all(request.url.startswith("http://127.0.0.1:9/") for request in harness.simulator.seen[-3:])
    said = parse_qs(harness.simulator.seen[-1].body.decode())
    assert said["submit"] == ["true"]
