"""周期扣款: what the payer is asked to agree to, charges under it, and its end."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from paycore.identifiers import new_id
from payments.gateways.abilities import MandateCapable, ProbeCapable, StatementReader, StatementSource
from payments.gateways.alipay import mandates
from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.contract import (
    ActionKind,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    MandateTerms,
    Outcome,
    SavedToken,
    SaveResult,
)
from tests.payments.gateways.alipay_harness import ADDRESS, SETTINGS, AlipayHarness, a_save_request, credentials
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.simulators.alipay import wire


@pytest.fixture
def alipay() -> AlipayHarness:
    return AlipayHarness()


def test_adapter_has_the_abilities_it_says(alipay: AlipayHarness) -> None:
    for ability in (MandateCapable, ProbeCapable, StatementSource, StatementReader):
        assert isinstance(alipay.gateway, ability)


def test_payer_agrees_on_a_page_and_the_notice_says_what_asking_says(alipay: AlipayHarness) -> None:
    result = alipay.gateway.save_method(a_save_request())
    assert (result.outcome, result.action and result.action.kind) == (Outcome.REQUIRES_ACTION, ActionKind.REDIRECT)
    assert alipay.gateway.fetch_saved("pm_1") == SaveResult("pm_1", Outcome.NOT_FOUND)
    assert result.action is not None
    alipay.provider.agree(urlsplit(result.action.url).query)
    known = alipay.gateway.fetch_saved("pm_1")
    assert (known.outcome, known.reference) == (Outcome.SUCCEEDED, "pm_1")
    assert known.saved is not None
    assert (known.saved.token, known.saved.label) == (known.gateway_reference, "j***@example.com")
    assert alipay.notices() == [known]
    assert alipay.gateway.fetch_saved("pm_1", gateway_reference=known.gateway_reference) == known


@pytest.mark.parametrize("scene", ["app", "h5"])
def test_payer_agrees_in_alipays_app(alipay: AlipayHarness, scene: str) -> None:
    action = alipay.gateway.save_method(a_save_request(options={"scene": scene})).action
    assert action is not None
    assert action.kind is ActionKind.APP
    assert action.url.startswith("alipays://platformapi/startapp?appId=60000157")
    assert unquote(action.url.partition("sign_params=")[2]) == action.app_parameters["sign_params"]
    assert alipay.provider.agree(action.app_parameters["sign_params"]).status == "NORMAL"


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"interval": "month"}, ("MONTH", 1, "2027-01-15")),
        ({"interval": "month", "interval_count": 3}, ("MONTH", 3, "2027-01-15")),
        ({"interval": "year"}, ("MONTH", 12, "2027-01-15")),
        ({"interval": "week"}, ("DAY", 7, "2027-01-15")),
        ({"interval": "day", "interval_count": 7}, ("DAY", 7, "2027-01-15")),
        ({"first_charge_at": datetime(2027, 1, 31, 4, tzinfo=UTC)}, ("MONTH", 1, "2027-01-28")),
        ({"first_charge_at": datetime(2027, 1, 27, 16, tzinfo=UTC)}, ("MONTH", 1, "2027-01-28")),
        (
            {"interval": "week", "first_charge_at": datetime(2027, 1, 30, 16, tzinfo=UTC)},
            ("DAY", 7, "2027-01-31"),
        ),
    ],
)
def test_terms_are_alipays_rules(alipay: AlipayHarness, terms: dict[str, object], told: tuple[str, int, str]) -> None:
    asked = MandateTerms(max_amount_minor=1500, currency="CNY")
    rules = mandates.terms_in_words(replace(asked, **terms), now=alipay.clock())  # type: ignore[arg-type] # fields by name
    assert (rules["period_type"], rules["period"], rules["execute_time"]) == told
    assert rules["single_amount"] == "15.00"


@pytest.mark.parametrize(
    "terms",
    [
        None,
        MandateTerms(max_amount_minor=1500, currency="CNY", interval="day", interval_count=6),
        MandateTerms(max_amount_minor=1500, currency="CNY", interval="month", interval_count=0),
        MandateTerms(max_amount_minor=1500, currency="CNY", interval="fortnight"),
        MandateTerms(max_amount_minor=1500, currency="USD"),
        MandateTerms(max_amount_minor=0, currency="CNY"),
    ],
)
def test_terms_that_alipay_does_not_have_are_refused(alipay: AlipayHarness, terms: MandateTerms | None) -> None:
    with pytest.raises(GatewayRejected):
        alipay.gateway.save_method(a_save_request(terms=terms))


def test_account_without_a_scene_cannot_ask(alipay: AlipayHarness) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "sign_scene"}
    gateway = type(alipay.gateway)(
        GatewayConfiguration("ga_1", ADDRESS, credentials(), alipay.provider, settings), clock=alipay.clock
    )
    with pytest.raises(GatewayRejected) as refused:
        gateway.save_method(a_save_request())
    assert refused.value.code == "account_misconfigured"


def test_our_number_survives_alipays_alphabet() -> None:
    reference = new_id("pm")
    number = mandates.number_of(reference)
    assert (number.isalnum(), len(number) <= 32) == (True, True)
    assert mandates.reference_of(number) == reference
    for bad in ("pm_ABC", "pm-1", "p" * 33, "", "pm_é"):
        with pytest.raises(GatewayRejected):
            mandates.number_of(bad)


def test_charge_under_an_agreement_names_it(alipay: AlipayHarness) -> None:
    result = alipay.create(a_payment(alipay))
    assert result.outcome is Outcome.SUCCEEDED
    [sent] = [one for one in alipay.provider.requests if one["method"] == "alipay.trade.pay"]
    assert '"product_code":"CYCLE_PAY_AUTH"' in sent["biz_content"]
    assert f'"agreement_params":{{"agreement_no":"{alipay.agreement}"}}' in sent["biz_content"]


def test_charge_after_the_payer_ended_it_fails_with_mandate_ended(alipay: AlipayHarness) -> None:
    alipay.dress(a_payment(alipay))
    alipay.provider.end_agreement(alipay.agreement)
    [ended] = alipay.notices()
    assert isinstance(ended, SaveResult)
    assert (ended.reference, ended.outcome, ended.gateway_reference) == ("pm_1", Outcome.CANCELED, alipay.agreement)
    assert ended.occurred_at is not None
    result = alipay.create(a_payment(alipay))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "mandate_ended")
    assert alipay.payments_made() == 0


def test_charge_above_what_was_agreed_fails(alipay: AlipayHarness) -> None:
    number = alipay.sign_agreement(terms=MandateTerms(max_amount_minor=1000, currency="CNY"))
    result = alipay.create(a_payment(alipay, saved=SavedToken(number)))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "limit_exceeded")


@pytest.mark.parametrize(
    ("said", "code"),
    [("ACQ.CYCLE_PAY_DATE_NOT_MATCH", "outside_hours"), ("ACQ.PAYMENT_REQUEST_HAS_RISK", "suspected_fraud")],
)
def test_refused_charge_says_why_in_our_words(alipay: AlipayHarness, said: str, code: str) -> None:
    alipay.provider.declines["pay_1"] = said
    result = alipay.create(a_payment(alipay))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, code)
    assert result.failure_message.startswith(said)


def test_account_that_may_not_charge_is_rejected_and_not_a_decline(alipay: AlipayHarness) -> None:
    alipay.provider.declines["pay_1"] = "ACQ.ACCESS_FORBIDDEN"
    with pytest.raises(GatewayRejected) as refused:
        alipay.create(a_payment(alipay))
    assert refused.value.code == "account_misconfigured"


def test_forgotten_agreement_is_ended_and_forgetting_it_again_does_nothing(alipay: AlipayHarness) -> None:
    number = alipay.sign_agreement()
    for _again in range(2):
        alipay.gateway.forget_method(SavedToken(number), method="alipay_mandate")
    assert alipay.provider.agreements[number].status == "UNSIGN"
    assert alipay.gateway.fetch_saved("pm_1", gateway_reference=number).outcome is Outcome.CANCELED
    assert alipay.gateway.fetch_saved("pm_1").outcome is Outcome.NOT_FOUND


def test_suspended_agreement_is_pending(alipay: AlipayHarness) -> None:
    alipay.provider.agreements[alipay.sign_agreement()].status = "STOP"
    assert alipay.gateway.fetch_saved("pm_1").outcome is Outcome.PENDING


def test_answer_about_another_agreement_is_unknown(alipay: AlipayHarness) -> None:
    number = alipay.sign_agreement()
    with pytest.raises(GatewayOutcomeUnknown):
        alipay.gateway.fetch_saved("pm_2", gateway_reference=number)


def test_unmasked_account_name_is_not_kept(alipay: AlipayHarness) -> None:
    alipay.sign_agreement()
    body = alipay.callbacks()[-1].body
    words = dict(parse_qsl(body.decode())) | {"alipay_logon_id": "jane@example.com"}
    for name in ("sign", "sign_type"):
        words.pop(name)
    [told] = alipay.gateway.translate_webhook(wire.notice(words, key=wire.key_pair("alipay")))
    assert isinstance(told, SaveResult)
    assert told.saved is not None
    assert told.saved.label == ""


def test_nothing_is_announced(alipay: AlipayHarness) -> None:
    alipay.gateway.announce_charge(
        SavedToken("1"), amount_minor=1, currency="CNY", charge_at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    assert (alipay.gateway.notice_days, alipay.provider.requests) == (0, [])


@pytest.mark.parametrize("problem", [GatewayUnavailable("not reached"), GatewayRejected("no", code="gateway_rejected")])
def test_declined_charge_that_could_not_be_closed_is_unknown(alipay: AlipayHarness, problem: GatewayError) -> None:
    """The payer may find the declined trade in Alipay's app, and pay it there."""
    request = alipay.dress(a_payment(alipay, method="alipay_mandate"))
    alipay.provider.declines["pay_1"] = "ACQ.BUYER_BALANCE_NOT_ENOUGH"

    def unclosable(asked: HttpRequest) -> HttpResponse:
        if "alipay.trade.close" in asked.url:
            raise problem
        return alipay.provider(asked)

    configuration = replace(alipay.gateway.configuration, transport=unclosable)
    adapter = AlipayGateway(configuration, clock=alipay.clock)
    with pytest.raises(GatewayOutcomeUnknown):
        adapter.create_payment(request)
