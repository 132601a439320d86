"""Alipay's callbacks: whose they are, how old they may be, and what is not said by them."""

from itertools import permutations
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest

from payments.gateways.contract import Outcome, PaymentResult, RefundResult, WebhookRefused
from tests.payments.gateways.alipay_harness import AlipayHarness
from tests.payments.gateways.contract_harness import a_payment, a_refund, paid
from tests.payments.gateways.simulators.alipay import wire


@pytest.fixture
def alipay() -> AlipayHarness:
    return AlipayHarness()


@pytest.fixture
def notice(alipay: AlipayHarness) -> bytes:
    """That a payment succeeded."""
    paid(alipay)
    return alipay.callbacks()[-1].body


def resigned(body: bytes, *, without: str = "", **changes: str) -> bytes:
    """The same with some words changed, signed by Alipay."""
    words = dict(parse_qsl(body.decode())) | changes
    for name in ("sign", "sign_type", without):
        words.pop(name, None)
    return wire.notice(words, key=wire.key_pair("alipay"))


def refusal(alipay: AlipayHarness, body: bytes) -> str:
    with pytest.raises(WebhookRefused) as refused:
        alipay.gateway.verify_webhook({}, body)
    return refused.value.code


def test_notice_is_acknowledged_in_seven_characters(alipay: AlipayHarness) -> None:
    assert alipay.gateway.webhook_acknowledgement == (200, "text/plain", b"success")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"app_id": "2021000000000002"}, "foreign_app"),
        ({"seller_id": "2088000000000000"}, "foreign_seller"),
        ({"seller_id": ""}, "foreign_seller"),
        ({"out_trade_no": ""}, "malformed"),
        ({"notify_id": ""}, "malformed"),
        ({"notify_time": "today"}, "malformed"),
    ],
)
def test_genuine_notice_that_is_not_for_us_is_refused(
    alipay: AlipayHarness, notice: bytes, changes: dict[str, str], code: str
) -> None:
    assert refusal(alipay, resigned(notice, **changes)) == code


@pytest.mark.parametrize("name", ["app_id", "seller_id", "out_trade_no", "notify_id", "notify_time", "notify_type"])
def test_notice_without_a_needed_word_is_refused(alipay: AlipayHarness, notice: bytes, name: str) -> None:
    assert refusal(alipay, resigned(notice, without=name))


@pytest.mark.parametrize("name", ["out_trade_no", "trade_no", "trade_status", "total_amount"])
def test_notice_without_what_it_is_about_tells_nothing(alipay: AlipayHarness, notice: bytes, name: str) -> None:
    with pytest.raises(WebhookRefused):
        alipay.gateway.translate_webhook(resigned(notice, without=name))


def test_any_changed_added_or_lost_word_is_refused(alipay: AlipayHarness, notice: bytes) -> None:
    words = dict(parse_qsl(notice.decode()))
    for name in words:
        if name in ("sign", "sign_type"):
            continue
        assert refusal(alipay, urlencode(words | {name: words[name] + "1"}).encode())
        assert refusal(alipay, urlencode({key: value for key, value in words.items() if key != name}).encode())
    assert refusal(alipay, urlencode(words | {"total_refund": "1"}).encode()) == "signature_wrong"
    assert alipay.gateway.verify_webhook({}, urlencode(words).encode()).event_id  # and the words as they were are not


def test_weaker_and_missing_signatures_are_refused(alipay: AlipayHarness, notice: bytes) -> None:
    for change in (b"sign_type=RSA", b"sign_type=MD5", b"sign_type=", b"sign_tipe=RSA2"):
        assert refusal(alipay, notice.replace(b"sign_type=RSA2", change)) == "signature_missing"


def test_word_given_twice_is_refused(alipay: AlipayHarness, notice: bytes) -> None:
    assert refusal(alipay, notice + b"&total_amount=0.01") == "malformed"


@pytest.mark.parametrize(
    "body", [b"%ff=%ff", b"\xe4\xb8=1", b"&" * 500, b"a=1&" * 101, b"a=%00" * 3, b"charset=gbk&a=1", b"=" * 9]
)
def test_what_is_no_form_is_refused(alipay: AlipayHarness, body: bytes) -> None:
    assert refusal(alipay, body)
    with pytest.raises(WebhookRefused):
        alipay.gateway.translate_webhook(body)


def test_words_with_marks_and_chinese_are_verified_once_decoded(alipay: AlipayHarness) -> None:
    words = {
        "notify_type": "trade_status_sync",
        "notify_id": "1",
        "notify_time": alipay.provider.now(),
        "app_id": alipay.provider.merchant.app_id,
        "seller_id": alipay.provider.merchant.seller_id,
        "out_trade_no": "pay_1",
        "trade_no": "1",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "12.34",
        "gmt_payment": alipay.provider.now(),
        "subject": "会员 100% + a=b&c",
        "fund_bill_list": '[{"amount":"12.34"}]',
        "body": "",
    }
    body = wire.notice(words, key=wire.key_pair("alipay"))
    assert quote_plus(words["subject"]).encode() in body
    assert alipay.gateway.verify_webhook({}, body).event_id == "1"


@pytest.mark.parametrize(("age_seconds", "is_taken"), [(90_000, True), (93_601, False), (-299, True), (-301, False)])
def test_notice_is_taken_for_as_long_as_alipay_repeats_it(
    alipay: AlipayHarness, notice: bytes, age_seconds: int, is_taken: bool
) -> None:
    """25 hours, the eighth time; then never."""
    body = alipay.sign(notice, age_seconds=age_seconds).body
    if is_taken:
        assert alipay.gateway.verify_webhook({}, body).event_id
    else:
        assert refusal(alipay, body) in ("signature_stale", "signature_from_the_future")


def test_opened_cashier_is_no_news(alipay: AlipayHarness) -> None:
    alipay.create(a_payment(alipay, method="alipay_qr"))
    alipay.provider.tell(alipay.provider.trades["pay_1"])
    assert alipay.notices() == []


def test_other_kinds_of_notice_say_nothing_about_money(alipay: AlipayHarness, notice: bytes) -> None:
    other = resigned(notice, notify_type="open_app_auth_notify")
    assert alipay.gateway.verify_webhook({}, other).event_type.startswith("open_app_auth_notify")
    assert alipay.gateway.translate_webhook(other) == []


def test_unlisted_state_is_pending_in_a_notice(alipay: AlipayHarness, notice: bytes) -> None:
    [told] = alipay.gateway.translate_webhook(resigned(notice, trade_status="TRADE_PENDING"))
    assert isinstance(told, PaymentResult)
    assert (told.outcome, told.captured_minor) == (Outcome.PENDING, 0)


def test_refund_made_elsewhere_without_a_number_still_says_that_it_was_paid(
    alipay: AlipayHarness, notice: bytes
) -> None:
    closed = resigned(notice, trade_status="TRADE_CLOSED", refund_fee="12.34", without="gmt_payment")
    [told] = alipay.gateway.translate_webhook(closed)
    assert isinstance(told, PaymentResult)
    assert (told.outcome, told.captured_minor) == (Outcome.SUCCEEDED, 1234)


def test_notices_in_any_order_tell_the_same_things(alipay: AlipayHarness) -> None:
    payment = paid(alipay)
    for number, amount in (("ref_1", 200), ("ref_2", 1034)):
        alipay.gateway.create_refund(
            type(a_refund(alipay, payment, amount_minor=amount))(
                reference=number,
                payment_reference="pay_1",
                payment_gateway_reference="",
                amount_minor=amount,
                currency="CNY",
            )
        )
    callbacks = alipay.callbacks()
    assert len({alipay.gateway.verify_webhook({}, callback.body).event_id for callback in callbacks}) == 3
    for order in permutations(callbacks):
        told = [fact for callback in order for fact in alipay.gateway.translate_webhook(callback.body)]
        assert {fact.reference for fact in told if isinstance(fact, RefundResult)} == {"ref_1", "ref_2"}
        assert [fact for fact in told if isinstance(fact, PaymentResult)] == [payment]


def test_signed_words_of_another_merchants_notice_cannot_be_cut_anew_into_ours(alipay: AlipayHarness) -> None:
    """The signature covers ``a=1&b=2`` without marking where a value ends. Alipay signed a notice for another merchant,
    who chose one of its values; the same characters, cut elsewhere, would tell of a payment to us."""
    ours = {
        "app_id": alipay.provider.merchant.app_id,
        "notify_id": "9",
        "notify_time": alipay.provider.now(),
        "notify_type": "trade_status_sync",
        "out_trade_no": "pay_1",
        "seller_id": alipay.provider.merchant.seller_id,
        "total_amount": "1.00",
        "trade_no": "1",
        "trade_status": "TRADE_SUCCESS",
    }
    chosen = "&".join(f"{name}={value}" for name, value in ours.items())
    theirs = {"agreement_no": "1", "app_id": "2021000000000002", "external_logon_id": f"x&{chosen}&z=", "zz": "1"}
    sign = wire.sign(wire.key_pair("alipay"), wire.joined(theirs, without=("sign", "sign_type")))
    signed = {"sign": sign, "sign_type": "RSA2", "z": "&zz=1"}
    by_value = {"agreement_no": "1&app_id=2021000000000002&external_logon_id=x"} | ours | signed
    assert refusal(alipay, urlencode(by_value).encode()) == "malformed"
    by_name = {"agreement_no=1&app_id=2021000000000002&external_logon_id": "x"} | ours | signed
    assert refusal(alipay, urlencode(by_name).encode()) == "malformed"
