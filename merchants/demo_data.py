"""A second business for the demo: its owner has applied, with documents, and waits for a review."""

from accounts.models import User
from merchants.models import Merchant, MerchantDocument, MerchantMember
from merchants.onboarding.documents import add_document
from merchants.onboarding.services import BusinessDetails, apply, submit_application
from paycore.demo.paper import one_page
from paycore.uploads import checked_file

_NAME = "Teahouse Lin"
_DETAILS = BusinessDetails(
    name=_NAME,
    legal_name="Teahouse Lin Pte. Ltd.",
    business_kind=Merchant.Kind.COMPANY,
    registration_number="202600815K",
    country="SG",
    home_currency="SGD",
    website="https://teahouse.example",
    support_email="hello@teahouse.example",
)
_PROOFS = {
    MerchantDocument.Kind.REGISTRATION: ("register-extract.pdf", "Extract of the company register"),
    MerchantDocument.Kind.IDENTITY: ("identity-card.pdf", "Identity card of the owner"),
    MerchantDocument.Kind.BANK_PROOF: ("bank-letter.pdf", "Letter of the bank"),
}


def seed_application(owner: User) -> Merchant:
    """Safe to repeat: an application that staff have decided meanwhile stays as it is."""
    member = MerchantMember.objects.filter(user=owner, merchant__name=_NAME).select_related("merchant").first()
    if member is not None:
        return member.merchant
    merchant = apply(applicant=owner, details=_DETAILS)
    for kind, (file_name, text) in _PROOFS.items():
        add_document(
            merchant_id=merchant.id,
            kind=kind,
            file_name=file_name,
            upload=checked_file(one_page(text)),
            uploaded_by_id=owner.id,
        )
    return submit_application(merchant_id=merchant.id, by=owner)
