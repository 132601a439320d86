"""What WeChat Pay tells us: APIv3 notices (signed by header, encrypted inside) and the XML notices of mandates.

Which of the two it is shows in the first byte. XML notices carry no time of sending, so they are refused when what
they tell of is days old, and their identity is what they tell: a replay is the same notice.
"""

from collections.abc import Callable, Mapping
from typing import Any

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayRejected,
    Outcome,
    PaymentResult,
    RefundResult,
    SaveResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)
from payments.gateways.joined_words import may_be_cut_otherwise
from payments.gateways.wechat.keys import NotDecrypted, PlatformKeys, SignatureRefused, decrypt
from payments.gateways.wechat.mandates import charge_result, contract_result
from payments.gateways.wechat.transactions import payment_result, refund_result
from payments.gateways.wechat.v2 import V2Client, XmlRefused, is_genuine, read_xml
from payments.gateways.wechat.words import NotUnderstood, part, read_json, read_time, text

XML_NOTICE_AGE_SECONDS = 48 * 3600
XML_NOTICE_SKEW_SECONDS = 300
_CONTRACT_CHANGES = {"ADD": Outcome.SUCCEEDED, "DELETE": Outcome.CANCELED}


class Callbacks:
    """Thread-safe. Refuses with WebhookRefused."""

    def __init__(
        self, configuration: GatewayConfiguration, *, keys: PlatformKeys, v2: V2Client, clock: Callable[[], float]
    ) -> None:
        self._configuration = configuration
        self._keys = keys
        self._v2 = v2
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        if is_xml(body):
            return self._verify_xml(body)
        try:
            self._keys.check(headers, body)
        except SignatureRefused as refused:
            raise WebhookRefused("the callback's signature is refused", code=refused.code) from None
        notice, resource = self._open(body)
        if _read(text, resource, "mchid") != self._mchid():
            raise WebhookRefused("the callback is about another merchant", code="foreign_merchant")
        event_id = _read(text, notice, "id")
        if not event_id:
            raise WebhookRefused("the callback has no id", code="malformed")
        return WebhookIdentity(
            event_id=event_id,
            event_type=_read(text, notice, "event_type"),
            occurred_at=read_time(_read(text, notice, "create_time")),
        )

    def translate(self, body: bytes) -> list[WebhookNotice]:
        if is_xml(body):
            return _translate_xml(_parse(body))
        notice, resource = self._open(body)
        kind = _read(text, notice, "event_type").partition(".")[0]
        translated: PaymentResult | RefundResult
        try:
            if kind == "TRANSACTION":
                translated = payment_result(resource)
            elif kind == "REFUND":
                translated = refund_result(resource, state=text(resource, "refund_status"))
            else:
                return []
        except NotUnderstood as problem:
            raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
        if not translated.reference:
            raise WebhookRefused("the callback names no payment or refund", code="malformed")
        return [translated]

    def _open(self, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            notice = read_json(body)
            resource = read_json(
                decrypt(part(notice, "resource"), keys=self._configuration.secrets_in_use("api_v3_key"))
            )
        except NotUnderstood as problem:
            raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
        except NotDecrypted:
            raise WebhookRefused("the callback cannot be decrypted", code="not_decrypted") from None
        return notice, resource

    def _verify_xml(self, body: bytes) -> WebhookIdentity:
        fields = _parse(body)
        try:
            keys = self._v2.keys()
        except GatewayRejected:
            raise WebhookRefused("this account keeps no mandates", code="key_unknown") from None
        if not is_genuine(fields, keys=keys):
            raise WebhookRefused("the callback's signature is refused", code="signature_wrong")
        if may_be_cut_otherwise(fields):
            raise WebhookRefused("the callback can be read in two ways", code="malformed")
        if fields.get("mch_id") != self._mchid():
            raise WebhookRefused("the callback is about another merchant", code="foreign_merchant")
        notices = _translate_xml(fields)
        if not notices:
            return WebhookIdentity(event_id=f"v2:{fields['sign']}", event_type="papay.other")
        occurred_at = notices[0].occurred_at
        if occurred_at is not None:
            self._refuse_stale(self._clock() - occurred_at.timestamp())
        what = "contract" if isinstance(notices[0], SaveResult) else "charge"
        subject = fields.get("contract_id", "") if what == "contract" else fields.get("out_trade_no", "")
        change = fields.get("change_type") or fields.get("trade_state") or fields.get("result_code", "")
        when = fields.get("operate_time") or fields.get("time_end", "")
        return WebhookIdentity(
            event_id=f"v2:{subject}:{change}:{when}"[:128], event_type=f"papay.{what}.{change}", occurred_at=occurred_at
        )

    def _refuse_stale(self, age_seconds: float) -> None:
        """Their repeats end after some hours; what is older is somebody's replay."""
        if age_seconds > XML_NOTICE_AGE_SECONDS:
            raise WebhookRefused("the callback is days old", code="signature_stale")
        if age_seconds < -XML_NOTICE_SKEW_SECONDS:
            raise WebhookRefused("the callback is from the future", code="signature_from_the_future")

    def _mchid(self) -> str:
        return self._configuration.settings.get("mchid", "")


def is_xml(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _parse(body: bytes) -> dict[str, str]:
    try:
        return read_xml(body)
    except XmlRefused as problem:
        raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None


def _translate_xml(fields: Mapping[str, str]) -> list[WebhookNotice]:
    if fields.get("return_code") != "SUCCESS":
        return []
    if "change_type" in fields:
        outcome = _CONTRACT_CHANGES.get(fields["change_type"])
        if fields.get("result_code") != "SUCCESS" or outcome is None:
            return []
        return [contract_result(fields, outcome=outcome)]
    return [charge_result(fields)] if fields.get("out_trade_no") else []


def _read(reader: Callable[[Mapping[str, Any], str], str], words: Mapping[str, Any], name: str) -> str:
    try:
        return reader(words, name)
    except NotUnderstood as problem:
        raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
