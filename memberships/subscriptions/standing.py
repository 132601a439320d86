"""What of the money that paid for a period still stands behind it, when parts of it went back meanwhile."""

from django.db.models import Sum

from memberships.invoices.drafting import CREDIT, round_half_away
from memberships.models import Invoice, Pause, Period, PlanChange
from payments.orders.disputes.models import Dispute
from payments.orders.models import Payment, Refund

BOUGHT_LINES = ("plan", "seats")


def bought(invoice: Invoice) -> tuple[int, int]:
    """``(with tax, without)`` of what an invoice charged for time, minor units."""
    rows = [row for row in invoice.lines if row["kind"] in BOUGHT_LINES]
    net = sum(row["net_minor"] for row in rows)
    return net + sum(row["tax_minor"] for row in rows), net


def standing(invoice: Invoice, *, until: str = "") -> int:
    """Minor units with tax: what an invoice charged for time, less what went back, or is on its way back, of it, and of
    what an earlier invoice's unused time had paid of it. ``until`` is an id: as it was when that row was made."""
    whole, _net = bought(invoice)
    left = whole - _share(invoice, _gone(invoice, until=until), of=whole)
    change = PlanChange.objects.filter(invoice=invoice).select_related("period__invoice").first()
    before = invoice_behind(change.period) if change is not None else None
    if change is not None and before is not None:
        was, now = standing(before, until=change.id), standing(before, until=until)
        set_off = -sum(row["net_minor"] + row["tax_minor"] for row in invoice.lines if row["kind"] == CREDIT)
        left -= round_half_away(set_off * max(0, was - now), was) if was else 0
    return max(0, left)


def invoice_behind(period: Period) -> Invoice | None:
    """What paid for it, also when a pause gave it back; None for time that was given."""
    while period.invoice is None:
        pause = Pause.objects.filter(given_as=period).select_related("period__invoice").first()
        if pause is None:
            return None
        period = pause.period
    return period.invoice


def kept_by(pause: Pause) -> tuple[int, int]:
    """``(with tax, without)`` that the time of a pause is worth, when money went back since it began."""
    invoice = invoice_behind(pause.period)
    was = standing(invoice, until=pause.id) if invoice is not None else 0
    if invoice is None or not was:
        return pause.unused_minor, pause.unused_net_minor
    now = min(was, standing(invoice))
    return round_half_away(pause.unused_minor * now, was), round_half_away(pause.unused_net_minor * now, was)


def _share(invoice: Invoice, gone: int, *, of: int) -> int:
    """Of the lines that cost ``of``: their part of all that was charged."""
    charged = sum(max(0, row["net_minor"] + row["tax_minor"]) for row in invoice.lines)
    return min(of, round_half_away(gone * of, charged)) if charged else 0


def _gone(invoice: Invoice, *, until: str) -> int:
    if invoice.order_id is None:
        return 0
    paid = Payment.objects.filter(order_id=invoice.order_id, status=Payment.Status.SUCCEEDED, is_surplus=False)
    gone = sum(payment.captured_minor - payment.refundable.minor for payment in paid)
    return gone - _gone_since([payment.id for payment in paid], until) if gone and until else gone


def _gone_since(payment_ids: list[str], row_id: str) -> int:
    """By ids, which sort by the real time at which rows were made, whatever clock their user has."""
    moment = row_id.partition("_")[2]
    refunds = Refund.objects.filter(payment_id__in=payment_ids, id__gt=f"ref_{moment}")
    refunds = refunds.exclude(status__in=(Refund.Status.FAILED, Refund.Status.REJECTED))
    disputes = Dispute.objects.filter(payment_id__in=payment_ids, id__gt=f"dsp_{moment}")
    refunded = refunds.aggregate(sum=Sum("amount_minor", default=0))["sum"]
    return int(refunded + disputes.aggregate(sum=Sum("withdrawn_minor", default=0))["sum"])
