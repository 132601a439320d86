"""Applications as tests need them: complete ones, and files that are what they say."""

from accounts.models import User
from merchants.models import Merchant, MerchantDocument
from merchants.onboarding.documents import add_document
from merchants.onboarding.services import BusinessDetails, apply, submit_application
from paycore.uploads import checked_file

PDF = b"%PDF-1.4 the proof of something"
PNG = b"\x89PNG\r\n\x1a\n not much of a picture"
COMPLETE = BusinessDetails(
    name="Corner Shop",
    legal_name="Corner Shop Ltd",
    business_kind="company",
    registration_number="HRB 0815",
    country="SG",
    home_currency="SGD",
    website="https://shop.example",
    support_email="help@shop.example",
)


def make_application(*, owner: User, details: BusinessDetails = COMPLETE) -> Merchant:
    """With every document that is asked for, not yet submitted."""
    merchant = apply(applicant=owner, details=details)
    for kind in ("registration", "identity", "bank_proof"):
        make_document(merchant, owner=owner, kind=kind)
    return merchant


def make_document(merchant: Merchant, *, owner: User, kind: str = "other", content: bytes = PDF) -> MerchantDocument:
    return add_document(
        merchant_id=merchant.id,
        kind=kind,
        file_name=f"{kind}.pdf",
        upload=checked_file(content),
        uploaded_by_id=owner.id,
    )


def make_submitted(*, owner: User) -> Merchant:
    return submit_application(merchant_id=make_application(owner=owner).id, by=owner)
