"""Playing disputes at the sandbox: by script, by page, by the control calls, and by the clock."""

import hashlib
import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from payments.gateways.abilities import DisputeEvidence, EvidenceFile
from payments.gateways.contract import DisputeNotice, DisputeStatus, GatewayOutcomeUnknown, GatewayRejected
from payments.gateways.sandbox.provider.api import respond
from payments.gateways.sandbox.provider.dispute_words import MAX_FILE_BYTES
from payments.gateways.sandbox.provider.requests import Answer, ProviderRequest
from payments.gateways.sandbox.provider.scripts import ScriptRefused, parse_script, script_text
from payments.gateways.sandbox.provider.wsgi import make_application
from tests.payments.gateways.contract_harness import a_payment, paid
from tests.payments.gateways.dispute_contract_tests import disputes_told
from tests.payments.gateways.sandbox_harness import SECRET, SandboxHarness, scripted


@pytest.fixture
def harness() -> SandboxHarness:
    return SandboxHarness()


def only_dispute(harness: SandboxHarness) -> DisputeNotice:
    [notice] = disputes_told(harness)
    return notice


def call(harness: SandboxHarness, method: str, path: str, words: Any = None) -> Answer:
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    body = b"" if words is None else json.dumps(words).encode()
    return respond(harness.provider, ProviderRequest(method, path, "", headers, body))


@pytest.mark.parametrize(
    ("script", "status", "reason", "fee_minor"),
    [
        ("dispute", DisputeStatus.NEEDS_RESPONSE, "fraudulent", 1_500),
        ("dispute(not_received)", DisputeStatus.NEEDS_RESPONSE, "not_received", 1_500),
        ("dispute(never_heard_of)", DisputeStatus.NEEDS_RESPONSE, "other", 1_500),
        ("dispute_warning(duplicate)", DisputeStatus.WARNING, "duplicate", 0),
    ],
)
def test_script_disputes_what_was_taken(
    harness: SandboxHarness, script: str, status: DisputeStatus, reason: str, fee_minor: int
) -> None:
    scripted(harness, f"approve+{script}")
    notice = only_dispute(harness)
    assert (notice.status, notice.reason, notice.fee_minor) == (status, reason, fee_minor)
    assert (notice.payment_reference, notice.amount_minor, notice.currency) == ("pay_1", 1234, "USD")


def test_declined_payment_is_not_disputed(harness: SandboxHarness) -> None:
    scripted(harness, "decline+dispute")
    assert disputes_told(harness) == []


@pytest.mark.parametrize("script", ["dispute(Evil!)", "dispute_decided_for(nobody)"])
def test_script_that_says_nonsense_is_refused(script: str) -> None:
    with pytest.raises(ScriptRefused):
        parse_script(script_text(sandbox=script, token=None))


@pytest.mark.parametrize(("early", "status"), [(False, DisputeStatus.LOST), (True, DisputeStatus.WON)])
def test_time_decides_when_nobody_answers(harness: SandboxHarness, early: bool, status: DisputeStatus) -> None:
    scripted(harness, "approve+dispute_warning" if early else "approve+dispute")
    dispute = only_dispute(harness).gateway_reference
    harness.clock.advance(7 * 24 * 3600 - 1)
    assert disputes_told(harness) == []
    harness.clock.advance(2)
    assert only_dispute(harness).status is status
    assert harness.gateway.fetch_dispute(dispute).status is status


def test_control_calls_open_and_decide(harness: SandboxHarness) -> None:
    paid(harness)
    opened = json.loads(
        call(harness, "POST", "/v1/control/payments/pay_1/disputes", {"why": "duplicate", "sum": 34}).body
    )
    assert (opened["state"], opened["sum"]) == ("CONTESTED", 34)
    path = f"/v1/control/disputes/{opened['dispute']}"
    assert json.loads(call(harness, "POST", path, {"to": "shop"}).body)["state"] == "KEPT_BY_SHOP"
    assert call(harness, "POST", path, {"to": "nowhere"}).status == 409
    assert call(harness, "POST", "/v1/control/payments/pay_1/disputes", {"why": "x", "sum": 1235}).status == 422
    assert call(harness, "POST", "/v1/control/payments/pay_2/disputes", {"why": "x"}).status == 404


def test_page_plays_the_bank_and_the_payment_page_leads_there(harness: SandboxHarness) -> None:
    harness.create(a_payment(harness, method="sandbox_redirect"))
    harness.approve("pay_1")
    harness.callbacks()
    token = harness.provider.book.rows("SELECT page_token FROM txn")[0][0]
    shown = respond(harness.provider, ProviderRequest("GET", f"/approve/{token}")).body.decode()
    assert f"/dispute/{token}" in shown

    def press(move: str) -> list[DisputeStatus]:
        answer = respond(harness.provider, ProviderRequest("POST", f"/dispute/{token}", body=f"move={move}".encode()))
        assert answer.status == 303
        return [notice.status for notice in disputes_told(harness)]

    assert press("shop") == []
    assert press("alert") == [DisputeStatus.WARNING]
    assert press("contest") == [DisputeStatus.NEEDS_RESPONSE]
    assert press("nonsense") == []
    assert press("payer") == [DisputeStatus.LOST]
    page = respond(harness.provider, ProviderRequest("GET", f"/dispute/{token}", "lang=zh")).body.decode()
    assert "付款人胜诉" in page
    assert respond(harness.provider, ProviderRequest("GET", "/dispute/nothing")).status == 404


def test_unpaid_payment_has_no_dispute_page(harness: SandboxHarness) -> None:
    harness.create(a_payment(harness, method="sandbox_redirect"))
    token = harness.provider.book.rows("SELECT page_token FROM txn")[0][0]
    assert respond(harness.provider, ProviderRequest("GET", f"/dispute/{token}")).status == 404


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/zip", b"PK"), ("application/pdf", b""), ("application/pdf", b"x" * (MAX_FILE_BYTES + 1))],
)
def test_file_that_is_not_taken_is_refused_and_nothing_is_answered(
    harness: SandboxHarness, content_type: str, body: bytes
) -> None:
    scripted(harness, "approve+dispute")
    dispute = only_dispute(harness).gateway_reference
    file = EvidenceFile("x", content_type, "receipt", body)
    with pytest.raises(GatewayRejected):
        harness.gateway.submit_evidence(DisputeEvidence(dispute, files=(file,)))
    assert harness.gateway.fetch_dispute(dispute).status is DisputeStatus.NEEDS_RESPONSE


def test_torn_file_is_unknown_or_refused_and_sending_all_again_works(harness: SandboxHarness) -> None:
    scripted(harness, "approve+dispute+file_torn_answer")
    dispute = only_dispute(harness).gateway_reference
    evidence = DisputeEvidence(dispute, files=(EvidenceFile("x", "application/pdf", "receipt", b"%PDF"),))
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.submit_evidence(evidence)
    assert harness.gateway.submit_evidence(evidence).status is DisputeStatus.UNDER_REVIEW
    assert harness.provider.book.rows("SELECT count(*) FROM proof")[0][0] == 1


def test_state_nobody_listed_asks_for_an_answer_while_there_is_a_date(harness: SandboxHarness) -> None:
    scripted(harness, "approve+dispute")
    dispute = only_dispute(harness).gateway_reference
    harness.provider.book.change("UPDATE contest SET state = 'PONDERED'")
    assert harness.gateway.fetch_dispute(dispute).status is DisputeStatus.NEEDS_RESPONSE


def test_answer_without_a_currency_is_unknown(harness: SandboxHarness) -> None:
    scripted(harness, "approve+dispute")
    dispute = only_dispute(harness).gateway_reference
    harness.provider.book.change("UPDATE contest SET coin = ''")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_dispute(dispute)


def test_a_file_of_five_megabytes_comes_in_over_wsgi(harness: SandboxHarness) -> None:
    scripted(harness, "approve+dispute")
    dispute, body = only_dispute(harness).gateway_reference, b"%PDF" + b"x" * (MAX_FILE_BYTES - 4)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": f"/v1/disputes/{dispute}/files/{hashlib.sha256(body).hexdigest()}",
        "HTTP_AUTHORIZATION": f"Bearer {SECRET}",
        "CONTENT_TYPE": "application/pdf",
        "CONTENT_LENGTH": str(len(body)),
    }
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    said: list[str] = []
    make_application(harness.provider)(environ, lambda status, _headers: said.append(status))
    assert said == ["200 OK"]
    assert harness.provider.book.rows("SELECT size FROM proof")[0][0] == MAX_FILE_BYTES
