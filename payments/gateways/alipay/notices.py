"""Alipay's callbacks: a form whose ``sign`` covers every other field but ``sign_type``.

Alipay sends an unacknowledged notice up to eight times within 25 hours, with the same ``notify_id`` and
``notify_time``. So a genuine one may be a day old: it is taken for 26 hours. A copy changes nothing whenever it comes,
for ``notify_id`` is the key for duplicates and what a notice says is evidence, not an order.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from payments.gateways.alipay import keys, mandates, trades, words
from payments.gateways.alipay.client import AlipayClient, content_to_sign
from payments.gateways.contract import (
    GatewayRejected,
    Outcome,
    RefundResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)
from payments.gateways.joined_words import may_be_cut_otherwise

MAX_AGE_SECONDS = 26 * 3600
MAX_LEAD_SECONDS = 300
MAX_FIELDS = 100
TRADE_NOTICE = "trade_status_sync"


def verify(client: AlipayClient, body: bytes) -> WebhookIdentity:
    """Raises :class:`WebhookRefused`."""
    told = _form(body)
    if told.get("sign_type") != "RSA2" or not told.get("sign"):
        raise WebhookRefused("the notice is not signed with RSA2", code="signature_missing")
    signed = {name: value for name, value in told.items() if name != "sign_type"}
    try:
        is_genuine = keys.is_signed(client.public_keys, content_to_sign(signed), signature=told["sign"])
    except GatewayRejected as problem:
        raise WebhookRefused(str(problem), code=problem.code) from None
    if not is_genuine:
        raise WebhookRefused("the notice's signature is refused", code="signature_wrong")
    if may_be_cut_otherwise(signed):
        raise WebhookRefused("the notice can be read in two ways", code="malformed")
    _require_ours(client, told)
    return _identity(client, told)


def _require_ours(client: AlipayClient, told: Mapping[str, str]) -> None:
    """Alipay signs notices to every merchant with the same key: whose it is stands inside."""
    if told.get("app_id") != client.setting("app_id"):
        raise WebhookRefused("the notice is for another application", code="foreign_app")
    is_about_trade = told.get("notify_type") == TRADE_NOTICE or "trade_no" in told
    if is_about_trade and told.get("seller_id") != client.setting("seller_id"):
        raise WebhookRefused("the notice is about another seller", code="foreign_seller")
    if is_about_trade and not told.get("out_trade_no"):
        raise WebhookRefused("the notice names no payment", code="malformed")


def _identity(client: AlipayClient, told: Mapping[str, str]) -> WebhookIdentity:
    try:
        sent_at = words.moment(words.text(told, "notify_time"))
        event_id, event_type = words.text(told, "notify_id"), words.text(told, "notify_type")
    except words.NotUnderstood as problem:
        raise WebhookRefused(f"the notice is malformed: {problem}", code="malformed") from None
    age = client.clock() - sent_at.timestamp() if sent_at else MAX_AGE_SECONDS + 1
    if age > MAX_AGE_SECONDS:
        raise WebhookRefused("the notice is too old", code="signature_stale")
    if age < -MAX_LEAD_SECONDS:
        raise WebhookRefused("the notice is from the future", code="signature_from_the_future")
    state = told.get("trade_status") or told.get("status") or ""
    return WebhookIdentity(event_id, f"{event_type} {state}".strip()[:80], occurred_at=sent_at)


def translate(body: bytes) -> list[WebhookNotice]:
    """Of a verified notice. WebhookRefused."""
    told = _form(body)
    kind = told.get("notify_type")
    try:
        if kind == TRADE_NOTICE:
            return _trade(told)
        if kind in mandates.NOTICES:
            return [mandates.noticed(told)]
        words.text(told, "notify_type")  # any other kind says nothing about money
    except words.NotUnderstood as problem:
        raise WebhookRefused(f"the notice is malformed: {problem}", code="malformed") from None
    return []


def _trade(told: Mapping[str, str]) -> list[WebhookNotice]:
    status = words.text(told, "trade_status")
    if told.get("out_biz_no") and told.get("gmt_refund"):
        # A refund's notice repeats the trade. ``refund_fee`` is the sum of all refunds so far, not this one's amount,
        # so the amount stays unsaid; asking tells it.
        return [
            RefundResult(
                reference=told["out_biz_no"],
                outcome=Outcome.SUCCEEDED,
                payment_reference=words.text(told, "out_trade_no"),
                currency=trades.OUR_CURRENCY,
                occurred_at=words.moment(told["gmt_refund"]),
            )
        ]
    result = trades.trade_result(told, status=status)
    # That the payer opened the cashier is no news, and would hide what the payer still has to do.
    return [] if result.outcome is Outcome.REQUIRES_ACTION else [result]


def _form(body: bytes) -> dict[str, str]:
    """Each field once, in UTF-8 (what every request of ours asks for). WebhookRefused."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (ValueError, UnicodeDecodeError):
        raise WebhookRefused("the notice is not a form", code="malformed") from None
    told = dict(pairs)
    if not told or len(told) != len(pairs) or told.get("charset", "utf-8").lower() != "utf-8":
        raise WebhookRefused("the notice is not a form", code="malformed")
    return told
