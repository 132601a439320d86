"""Reading disputes, scoped to who asks."""

from django.db.models import QuerySet

from paycore.errors import NotFound
from payments.orders.disputes.models import Dispute
from payments.orders.queries import Viewer


def disputes_of(viewer: Viewer) -> QuerySet[Dispute]:
    """A merchant's own; payers see none here: they talk to their bank."""
    return Dispute.objects.filter(merchant_id=viewer.merchant_id) if viewer.merchant_id else Dispute.objects.none()


def get_dispute(viewer: Viewer, dispute_id: str) -> Dispute:
    """NotFound also for another's."""
    dispute = disputes_of(viewer).filter(id=dispute_id).first()
    if dispute is None:
        raise NotFound
    return dispute
