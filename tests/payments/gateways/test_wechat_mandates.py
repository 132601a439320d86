from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpResponse,
    Outcome,
    SaveResult,
)
from payments.gateways.wechat.adapter import WechatGateway
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.simulators.wechat import papay
from tests.payments.gateways.wechat_harness import (
    MandateHarness,
    WechatHarness,
    a_saving,
    configuration,
    gateway_of,
    sign_mandate,
)

REFERENCE, CONTRACT_CODE = "pm_01jd3xkzt8q4", "pmZ01jd3xkzt8q4"


@pytest.fixture
def harness() -> MandateHarness:
    return MandateHarness()


@pytest.fixture
def unsigned_harness() -> WechatHarness:
    return WechatHarness()


def last_fields(harness: WechatHarness) -> dict[str, str]:
    return papay.from_xml(harness.provider.requests[-1].body)


# --- signing a mandate -----------------------------------------------------------------------------------------


def test_app_gets_what_the_sdk_needs_to_show_the_contract(unsigned_harness: WechatHarness) -> None:
    result = gateway_of(unsigned_harness).save_method(a_saving())
    assert (result.reference, result.outcome) == (REFERENCE, Outcome.REQUIRES_ACTION)
    assert result.action is not None
    assert result.action.kind is ActionKind.APP
    assert result.action.app_parameters["pre_entrustweb_id"].startswith("5778aad")
    said = last_fields(unsigned_harness)
    assert (said["contract_code"], said["plan_id"], said["version"]) == (CONTRACT_CODE, "12535", "1.0")
    assert (said["sign_type"], len(said["sign"]), said["return_app"]) == ("HMAC-SHA256", 64, "Y")


def test_contract_number_is_the_same_for_the_same_reference(unsigned_harness: WechatHarness) -> None:
    gateway = gateway_of(unsigned_harness)
    gateway.save_method(a_saving())
    first = last_fields(unsigned_harness)
    gateway.save_method(a_saving())
    again = last_fields(unsigned_harness)
    gateway.save_method(a_saving(reference="pm_2"))
    other = last_fields(unsigned_harness)
    assert first["request_serial"] == again["request_serial"] != other["request_serial"]
    assert len(first["request_serial"]) == 18
    assert not first["request_serial"].startswith("0")
    assert len(unsigned_harness.provider.book.contracts) == 2


def test_page_inside_wechat_is_sent_to_a_signed_address(unsigned_harness: WechatHarness) -> None:
    result = gateway_of(unsigned_harness).save_method(a_saving(options={"scene": "jsapi"}))
    assert result.action is not None
    parts = urlsplit(result.action.url)
    assert (parts.path, parts.fragment) == ("/papay/entrustweb", "wechat_redirect")
    fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert fields["sign"] == papay.sign(fields)
    assert fields["return_web"] == "1"
    assert unsigned_harness.provider.requests == []


def test_browser_is_sent_where_wechat_says(unsigned_harness: WechatHarness) -> None:
    saving = a_saving(options={"scene": "h5", "payer_ip": "203.0.113.7"})
    result = gateway_of(unsigned_harness).save_method(saving)
    assert result.action is not None
    assert result.action.url.startswith("https://payapp.weixin.qq.com/")


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "http://pay.weixin.qq.com/", "https://weixin.qq.com.evil.example/", "//x", ""]
)
def test_unsigned_address_elsewhere_is_not_followed(unsigned_harness: WechatHarness, address: str) -> None:
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS", "redirect_url": address}
    unsigned_harness.provider.spoils.append(lambda _: HttpResponse(200, {}, papay.to_xml(fields)))
    with pytest.raises(GatewayOutcomeUnknown):
        gateway_of(unsigned_harness).save_method(a_saving(options={"scene": "h5", "payer_ip": "203.0.113.7"}))


@pytest.mark.parametrize(
    ("changes", "settings", "credentials", "code"),
    [
        ({"method": "card"}, {}, {}, "method_not_supported"),
        ({"options": {"scene": "fax"}}, {}, {}, "invalid_details"),
        ({"options": {"scene": "h5"}}, {}, {}, "invalid_details"),
        ({"reference": "PM-1"}, {}, {}, "gateway_rejected"),
        ({}, {"plan_id": ""}, {}, "account_misconfigured"),
        ({}, {}, {"api_v2_key": ""}, "account_misconfigured"),
    ],
)
def test_mandate_that_cannot_be_asked_for_is_refused_before_anything_is_sent(
    unsigned_harness: WechatHarness,
    changes: dict[str, Any],
    settings: dict[str, str],
    credentials: dict[str, str],
    code: str,
) -> None:
    provider = unsigned_harness.provider
    gateway = WechatGateway(configuration(provider, settings=settings, credentials=credentials))
    with pytest.raises(GatewayRejected) as refused:
        gateway.save_method(a_saving(**changes))
    assert refused.value.code == code
    assert provider.requests == []


def test_mandate_is_unknown_until_signed_then_kept_then_ended(unsigned_harness: WechatHarness) -> None:
    gateway = gateway_of(unsigned_harness)
    gateway.save_method(a_saving())
    assert gateway.fetch_saved(REFERENCE).outcome is Outcome.NOT_FOUND
    saved = sign_mandate(unsigned_harness)
    kept = gateway.fetch_saved(REFERENCE)
    assert (kept.outcome, kept.gateway_reference) == (Outcome.SUCCEEDED, saved.token)
    assert kept.saved is not None
    assert (kept.saved.token, kept.saved.customer_reference) == (saved.token, saved.customer_reference)
    assert gateway.fetch_saved(REFERENCE, gateway_reference=saved.token) == kept
    gateway.forget_method(saved, method="wechat_mandate")
    gateway.forget_method(saved, method="wechat_mandate")
    ended = gateway.fetch_saved(REFERENCE)
    assert (ended.outcome, ended.saved) == (Outcome.CANCELED, None)


def test_answer_about_another_contract_is_unknown(harness: MandateHarness) -> None:
    def misdirected(response: HttpResponse) -> HttpResponse:
        fields = papay.from_xml(response.body) | {"contract_code": "pmZ2"}
        return replace(response, body=papay.to_xml(fields | {"sign": papay.sign(fields)}))

    harness.provider.spoils.append(misdirected)
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        gateway_of(harness).fetch_saved(REFERENCE)
    assert unknown.value.code == "wrong_reference"


def test_notices_tell_of_signing_and_of_ending(unsigned_harness: WechatHarness) -> None:
    saved = sign_mandate(unsigned_harness)
    unsigned_harness.clock.advance(seconds=60)
    gateway_of(unsigned_harness).forget_method(saved, method="wechat_mandate")
    told = unsigned_harness.notices()
    assert [notice.outcome for notice in told if isinstance(notice, SaveResult)] == [
        Outcome.SUCCEEDED,
        Outcome.CANCELED,
    ]
    assert told[0] == replace(told[0], reference=REFERENCE, gateway_reference=saved.token)


def test_payer_who_ends_the_mandate_in_wechat_is_noticed(harness: MandateHarness) -> None:
    harness.provider.papay.end_contract(harness.provider.book.contracts[CONTRACT_CODE])
    (notice,) = harness.notices()
    assert isinstance(notice, SaveResult)
    assert (notice.reference, notice.outcome) == (REFERENCE, Outcome.CANCELED)
    with pytest.raises(GatewayRejected) as refused:
        harness.create(a_payment(harness))
    assert refused.value.code == "mandate_ended"


def test_mandate_that_cannot_be_ended_is_not_called_ended(harness: MandateHarness) -> None:
    harness.provider.papay.fails_next = "NOAUTH"
    with pytest.raises(GatewayRejected):
        gateway_of(harness).forget_method(harness.saved, method="wechat_mandate")
    assert harness.provider.book.contracts[CONTRACT_CODE].state == "0"


# --- announcing and charging -----------------------------------------------------------------------------------


def announce(harness: MandateHarness, *, days: float, amount_minor: int = 1234, currency: str = "CNY") -> None:
    charge_at = harness.clock.moment() + timedelta(days=days)
    gateway_of(harness).announce_charge(
        harness.saved, amount_minor=amount_minor, currency=currency, charge_at=charge_at
    )


def test_notice_wait_deduct(harness: MandateHarness) -> None:
    harness.provider.papay.must_be_announced = True
    with pytest.raises(GatewayRejected):
        harness.create(a_payment(harness))
    announce(harness, days=2)
    announce(harness, days=2)
    assert len(harness.provider.book.announcements) == 1
    harness.clock.advance(days=1)
    with pytest.raises(GatewayRejected):
        harness.create(a_payment(harness, reference="pay_2"))
    harness.clock.advance(days=1)
    assert harness.pay(a_payment(harness, reference="pay_3")).outcome is Outcome.SUCCEEDED
    assert WechatGateway.notice_days == 2
    assert list(harness.provider.book.orders) == ["pay_3"]


def test_announcement_says_the_amount_and_names_the_contract_in_the_path_only(harness: MandateHarness) -> None:
    announce(harness, days=3)
    request = harness.provider.requests[-1]
    assert request.url.endswith(f"/v3/papay/contracts/{harness.saved.token}/notify")
    assert b'"estimated_amount":{"amount":1234,"currency":"CNY"}' in request.body
    assert b"contract_id" not in request.body


@pytest.mark.parametrize(("days", "currency"), [(0, "CNY"), (1, "CNY"), (9, "CNY"), (-1, "CNY"), (2, "USD")])
def test_announcement_that_wechat_would_not_hold_to_is_refused(
    harness: MandateHarness, days: float, currency: str
) -> None:
    with pytest.raises(GatewayRejected):
        announce(harness, days=days, currency=currency)
    assert harness.provider.book.announcements == []


@pytest.mark.parametrize(("hour", "minute"), [(22, 0), (23, 59), (0, 0), (6, 59)])
def test_at_night_nothing_is_announced_or_charged(harness: MandateHarness, hour: int, minute: int) -> None:
    harness.clock.beijing_hour(hour, minute=minute)
    before = len(harness.provider.requests)
    with pytest.raises(GatewayRejected) as charge:
        harness.create(a_payment(harness))
    with pytest.raises(GatewayRejected) as notice:
        announce(harness, days=2)
    assert (charge.value.code, notice.value.code) == ("outside_hours", "outside_hours")
    assert len(harness.provider.requests) == before


@pytest.mark.parametrize(("hour", "minute"), [(7, 0), (21, 59)])
def test_by_day_it_is_charged(harness: MandateHarness, hour: int, minute: int) -> None:
    harness.clock.beijing_hour(hour, minute=minute)
    assert harness.create(a_payment(harness)).outcome is Outcome.PENDING


def test_accepted_charge_is_pending_until_it_is_made(harness: MandateHarness) -> None:
    assert harness.create(a_payment(harness)).outcome is Outcome.PENDING
    assert harness.fetch().outcome is Outcome.PENDING
    harness.approve("pay_1")
    result = harness.fetch()
    assert (result.outcome, result.amount_minor, result.currency) == (Outcome.SUCCEEDED, 1234, "CNY")


def test_charge_is_made_once_however_often_it_is_sent(harness: MandateHarness) -> None:
    for _ in range(3):
        harness.create(a_payment(harness))
    harness.approve("pay_1")
    assert harness.create(a_payment(harness)).outcome is Outcome.SUCCEEDED
    assert harness.payments_made() == 1


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("SUCCESS", Outcome.SUCCEEDED),
        ("REFUND", Outcome.SUCCEEDED),
        ("ACCEPT", Outcome.PENDING),
        ("NOTPAY", Outcome.PENDING),
        ("PAY_FAIL", Outcome.FAILED),
        ("PAYERROR", Outcome.FAILED),
        ("CLOSED", Outcome.FAILED),
        ("USERPAYING", Outcome.PENDING),
    ],
)
def test_state_of_a_charge_means(harness: MandateHarness, state: str, outcome: Outcome) -> None:
    harness.create(a_payment(harness))
    harness.provider.book.orders["pay_1"].state_said = state
    assert harness.fetch().outcome is outcome


@pytest.mark.parametrize(
    ("err_code", "error", "code"),
    [
        ("NOTENOUGH", GatewayRejected, "insufficient_funds"),
        ("RULELIMIT", GatewayRejected, "gateway_limit"),
        ("CONTRACT_NOT_EXIST", GatewayRejected, "mandate_ended"),
        ("SYSTEMERROR", GatewayOutcomeUnknown, "systemerror"),
        ("BANKERROR", GatewayOutcomeUnknown, "bankerror"),
        ("ORDERNOTEXIST", GatewayOutcomeUnknown, "ordernotexist"),
        ("NEVER_HEARD_OF", GatewayOutcomeUnknown, "never_heard_of"),
    ],
)
def test_signed_no_is_believed_only_where_it_is_listed(
    harness: MandateHarness, err_code: str, error: type[Exception], code: str
) -> None:
    harness.provider.papay.fails_next = err_code
    with pytest.raises(error) as raised:
        harness.create(a_payment(harness))
    assert getattr(raised.value, "code", "") == code


def test_closing_a_charge_says_what_is_known_of_it(harness: MandateHarness) -> None:
    """It needs no payer, so nothing can stop it: never canceled on our word alone."""
    assert harness.close().outcome is Outcome.NOT_FOUND
    harness.create(a_payment(harness))
    assert harness.close().outcome is Outcome.PENDING
