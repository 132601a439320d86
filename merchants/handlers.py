"""What news makes happen inside merchants. The database only."""

from django.utils import translation

from merchants.events import MerchantStatusChanged
from merchants.models import Merchant, MerchantMember, MerchantReview
from merchants.onboarding.completeness import item_title
from paycore.events import handles
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify

_TEMPLATES = {
    MerchantReview.Step.SUBMITTED.value: "merchant_submitted",
    MerchantReview.Step.RETURNED.value: "merchant_returned",
    MerchantReview.Step.APPROVED.value: "merchant_approved",
    MerchantReview.Step.SUSPENDED.value: "merchant_suspended",
    MerchantReview.Step.REINSTATED.value: "merchant_reinstated",
    MerchantReview.Step.CLOSED.value: "merchant_closed",
}


@handles(MerchantStatusChanged, when=lambda event: event.review_id is not None)
def tell_owners_of_review(event: MerchantStatusChanged) -> None:
    review = MerchantReview.objects.select_related("merchant").get(id=event.review_id or 0)
    merchant: Merchant = review.merchant
    owners = MerchantMember.objects.filter(merchant=merchant, role=MerchantMember.Role.OWNER)
    for user_id, locale in owners.values_list("user_id", "user__locale"):
        with translation.override(locale):
            notes = "\n".join(f"{_title(note['item'], merchant)}: {note['note']}" for note in review.notes)
        notify(
            template=_TEMPLATES[review.step],
            to=Recipient(user_id=user_id),
            context={"merchant_name": merchant.name, "reason": review.reason, "notes": notes},
            key=f"{_TEMPLATES[review.step]}:{review.id}:{user_id}",
        )


def _title(item: str, merchant: Merchant) -> str:
    document = merchant.documents.filter(id=item).first() if item.startswith("mdoc_") else None
    return str(document) if document else str(item_title(item))
