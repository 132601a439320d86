"""What merchants can be told of. A name here is a promise to their programs: it is never changed or taken back."""

from django.utils.translation import gettext_lazy as _

TEST_EVENT = "webhook_endpoint.test"

EVENT_TYPES = {
    "order.created": _("An order was created."),
    "order.total_changed": _("A promotion code lowered an open order, or was taken off it again."),
    "order.paid": _("An order was paid: hand over the goods."),
    "order.reopened": _("Money that came late was accepted for an order that had ended."),
    "order.canceled": _("An order was canceled before it was paid."),
    "order.expired": _("An order was not paid in time."),
    "order.closed": _("An order was refunded in full."),
    "payment.authorized": _("The money of a payment is held."),
    "payment.succeeded": _("A payment took money."),
    "payment.failed": _("A payment failed; the order may be paid by another."),
    "payment.canceled": _("A payment was given up, or its time ran out."),
    "refund.requested": _("A refund was requested."),
    "refund.approved": _("A refund was approved and is being sent."),
    "refund.rejected": _("A refund was rejected."),
    "dispute.opened": _("A payer's bank takes money back, or says that it is about to."),
    "dispute.updated": _("A dispute moved, or its answer was sent."),
    "dispute.won": _("A dispute was won: the money is yours again."),
    "dispute.lost": _("A dispute was lost."),
    "mandate.agreed": _("A payer agreed to be charged by you unasked."),
    "mandate.ended": _("You may no longer charge a payer unasked."),
    "membership.changed": _("Something about a member's membership changed; with what the member may do now."),
    "refund.succeeded": _("The money of a refund is on its way to the payer."),
    "refund.failed": _("A refund failed."),
}
