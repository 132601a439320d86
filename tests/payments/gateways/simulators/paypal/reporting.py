"""Transaction Search v1, and the settlement report of the same movements."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.payments.gateways.simulators.paypal.world import ApiError, Words, World, invalid

MAX_FOUND = 10_000
_COLUMNS = (
    "CH",
    "Transaction ID",
    "Invoice ID",
    "PayPal Reference ID",
    "PayPal Reference ID Type",
    "Transaction Event Code",
    "Transaction Initiation Date",
    "Transaction Completion Date",
    "Transaction  Debit or Credit",
    "Gross Transaction Amount",
    "Gross Transaction Currency",
    "Fee Debit or Credit",
    "Fee Amount",
    "Fee Currency",
    "Custom Field",
    "Consumer ID",
)


def search(world: World, query: dict[str, str], *, max_found: int = MAX_FOUND) -> Words:
    start, end = (datetime.fromisoformat(query[name]) for name in ("start_date", "end_date"))
    if end - start > timedelta(days=31):
        raise invalid("DATE_RANGE_TOO_LARGE", "end_date")
    found = [one for one in world.transactions if start <= _at(one) < end + timedelta(seconds=1)]
    if len(found) > max_found:
        raise ApiError(400, "RESULTSET_TOO_LARGE", "RESULTSET_TOO_LARGE")
    size, page = int(query["page_size"]), int(query["page"])
    return {
        "transaction_details": found[(page - 1) * size : page * size],
        "account_number": "QYR5Z8XDVJNXQ",
        "start_date": query["start_date"],
        "end_date": query["end_date"],
        "last_refreshed_datetime": datetime.fromtimestamp(world.clock() - 3600, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "page": page,
        "total_items": len(found),
        "total_pages": max(-(-len(found) // size), 1),
    }


def settlement_report(world: World, *, decimals: int = 2) -> bytes:
    """``decimals``: how a whole unit is written, for there is no point in the amounts."""
    totals: Counter[tuple[str, str]] = Counter()
    rows = []
    for one in world.transactions:
        words = one["transaction_info"]
        gross, fee = (
            int(Decimal(words[name]["value"]).scaleb(decimals)) for name in ("transaction_amount", "fee_amount")
        )
        totals["gross", _side(gross)] += abs(gross)
        totals["fee", _side(fee)] += abs(fee)
        rows.append(_row(words, gross=gross, fee=fee))
    currency = world.transactions[0]["transaction_info"]["transaction_amount"]["currency_code"] if rows else "USD"
    sums = ",".join(str(totals[what, side]) for what in ("gross", "fee") for side in ("CR", "DR"))
    lines = [
        '"RH",2027/01/16 03:00:00 -0800,"A","QYR5Z8XDVJNXQ",009,',
        '"FH",01',
        '"SH",2027/01/15 00:00:00 -0800,2027/01/15 23:59:59 -0800,"QYR5Z8XDVJNXQ",""',
        ",".join(f'"{name}"' for name in _COLUMNS),
        *rows,
        f'"SF","{currency}",{sums},"CR",0,"CR",0,"CR",0,"CR",0,"CR",0,"CR",0,{len(rows)}',
        f'"SC",{len(rows)}',
        f'"RF","{currency}",{sums},"CR",0,"CR",0,"CR",0,"CR",0,"CR",0,"CR",0,{len(rows)}',
        f'"RC",{len(rows)}',
        '"FF",01',
    ]
    return b"\xef\xbb\xbf" + ("\r\n".join(lines) + "\r\n").encode()


def _row(words: Words, *, gross: int, fee: int) -> str:
    at = _at({"transaction_info": words}).strftime("%Y/%m/%d %H:%M:%S %z")
    currency = words["transaction_amount"]["currency_code"]
    return (
        f'"SB","{words["transaction_id"]}","{words["invoice_id"]}","","","{words["transaction_event_code"]}",'
        f'{at},{at},"{_side(gross)}",{abs(gross)},"{currency}","{_side(fee)}",{abs(fee)},"{currency}",'
        f'"{words["custom_field"]}","QYR5Z8XDVJNXQ"'
    )


def _side(amount: int) -> str:
    return "CR" if amount > 0 else "DR"


def _at(one: Words) -> datetime:
    return datetime.strptime(one["transaction_info"]["transaction_initiation_date"], "%Y-%m-%dT%H:%M:%S%z")
