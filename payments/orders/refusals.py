"""What the database's refusals to begin a payment mean to the caller."""

from typing import NoReturn

from django.db import Error, IntegrityError

from paycore.idempotency import IdempotencyKeyBusy
from payments.errors import OrderChanged, OrderHasExpired, OrderNotOpen, OrderNumberTaken, PaymentInProgress
from payments.promotions.refusals import promotion_refusal


class QuotaUsedUp(Exception):
    """The gateway account may take no more in this period: another one may."""


def refuse_collision(error: IntegrityError) -> NoReturn:
    text = str(error)
    if "payment_one_live_attempt" in text:
        raise PaymentInProgress from error
    if "order_number_unique" in text:
        raise OrderNumberTaken from error
    raise error


def refuse_by_code(error: Error) -> NoReturn:
    match getattr(error.__cause__, "pgcode", None):
        case "PC001":
            raise OrderNotOpen from error
        case "PC002":
            raise OrderHasExpired from error
        case "PC003":
            raise IdempotencyKeyBusy(retry_after_seconds=1) from error
        case "PC004":
            raise OrderChanged from error
        case "PC011":
            raise QuotaUsedUp from error
    raise promotion_refusal(error) or error
