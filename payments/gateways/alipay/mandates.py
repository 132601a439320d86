"""周期扣款 (CYCLE_PAY_AUTH): the agreement under which Alipay lets us charge without asking, in its words and ours."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from payments.gateways.alipay import words
from payments.gateways.contract import (
    ActionKind,
    GatewayRejected,
    MandateTerms,
    NextAction,
    Outcome,
    SavedMethod,
    SaveRequest,
    SaveResult,
)

PRODUCT = "CYCLE_PAY_AUTH"
PERSONAL_PRODUCT = "CYCLE_PAY_AUTH_P"
SIGNED, ENDED = "dut_user_sign", "dut_user_unsign"
NOTICES = frozenset({SIGNED, ENDED})
LAST_DAY_OF_MONTH, LEAST_DAYS = 28, 7
_OUTCOMES = {"TEMP": Outcome.REQUIRES_ACTION, "NORMAL": Outcome.SUCCEEDED, "UNSIGN": Outcome.CANCELED}
"""STOP is a suspension, and may end: like anything unlisted it is PENDING."""
_APP = "alipays://platformapi/startapp?appId=60000157&appClearTop=false&startMultApp=YES&sign_params="


def number_of(reference: str) -> str:
    """Alipay's ``external_agreement_no`` takes letters and digits only, 32 at most; ours has an underscore and no
    capital letter."""
    number = reference.replace("_", "Z")
    if not (number.isascii() and number.isalnum() and len(number) <= 32) or any("A" <= c <= "Z" for c in reference):
        raise GatewayRejected("the reference cannot be an agreement's number", code="gateway_rejected")
    return number


def reference_of(number: str) -> str:
    return number.replace("Z", "_")


def terms_in_words(terms: MandateTerms, *, now: float) -> dict[str, Any]:
    """``period_rule_params``. A month's day is the 28th at the latest, a period of days has seven at least."""
    first = datetime.fromtimestamp(now, words.BEIJING)
    if terms.first_charge_at is not None:
        first = terms.first_charge_at.astimezone(words.BEIJING)
    periods = {"day": ("DAY", 1), "week": ("DAY", 7), "month": ("MONTH", 1), "year": ("MONTH", 12)}
    kind, factor = periods.get(terms.interval, ("", 0))
    count = factor * terms.interval_count
    if count < 1 or (kind == "DAY" and count < LEAST_DAYS):
        raise GatewayRejected("Alipay charges every seven days at most", code="gateway_rejected")
    if kind == "MONTH" and first.day > LAST_DAY_OF_MONTH:
        first -= timedelta(days=first.day - LAST_DAY_OF_MONTH)
    return {
        "period_type": kind,
        "period": count,
        "execute_time": first.strftime("%Y-%m-%d"),
        "single_amount": words.yuan(terms.max_amount_minor),
    }


def agreement_in_words(request: SaveRequest, *, scene: str, now: float) -> dict[str, Any]:
    """``biz_content`` of alipay.user.agreement.page.sign."""
    if request.terms is None or request.terms.currency != "CNY" or request.terms.max_amount_minor <= 0:
        raise GatewayRejected("an agreement needs terms in CNY", code="gateway_rejected")
    if not scene:
        raise GatewayRejected("the account names no sign_scene", code="account_misconfigured")
    channel = "ALIPAYAPP" if is_for_app(request) else "QRCODEORSMS"
    return {
        "product_code": PRODUCT,
        "personal_product_code": PERSONAL_PRODUCT,
        "sign_scene": scene,
        "external_agreement_no": number_of(request.reference),
        "access_params": {"channel": channel},
        "period_rule_params": terms_in_words(request.terms, now=now),
    }


def is_for_app(request: SaveRequest) -> bool:
    """``options["scene"]``: ``app`` or ``h5`` (a phone's browser) opens Alipay's app, else a page with a QR code."""
    return request.options.get("scene") in ("app", "h5")


def app_action(signed: str) -> NextAction:
    """Opens Alipay's app at the agreement: by address, or ``sign_params`` in its SDK."""
    return NextAction(kind=ActionKind.APP, url=_APP + quote(signed, safe=""), app_parameters={"sign_params": signed})


def agreement_result(told: Mapping[str, Any], *, reference: str) -> SaveResult:
    """Of an agreement as an answer or a notice tells of it. NotUnderstood."""
    outcome = _OUTCOMES.get(words.text(told, "status"), Outcome.PENDING)
    number = words.text(told, "agreement_no")
    at = "unsign_time" if outcome is Outcome.CANCELED else "sign_time"
    return SaveResult(
        reference=reference,
        outcome=outcome,
        gateway_reference=number,
        saved=_saved(told, number=number) if outcome is Outcome.SUCCEEDED else None,
        occurred_at=words.moment(words.text(told, at, is_needed=False)),
    )


def _saved(told: Mapping[str, Any], *, number: str) -> SavedMethod:
    whose = next((told[name] for name in ("alipay_user_id", "principal_id") if isinstance(told.get(name), str)), "")
    label = told.get("alipay_logon_id")
    return SavedMethod(
        token=number,
        customer_reference=whose,
        brand="alipay",
        label=label if isinstance(label, str) and "*" in label else "",  # only what Alipay has masked
    )


def noticed(told: Mapping[str, str]) -> SaveResult:
    """Of a notice that an agreement was made or ended. NotUnderstood."""
    return agreement_result(told, reference=reference_of(words.text(told, "external_agreement_no")))
