"""What an application still lacks before it can be reviewed."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from merchants.models import Merchant
from merchants.onboarding.models import MerchantDocument

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_FIELDS = ("name", "legal_name", "country", "home_currency", "business_kind", "website", "support_email")
_EVERYBODY = (MerchantDocument.Kind.IDENTITY.value, MerchantDocument.Kind.BANK_PROOF.value)

REVIEWED_FIELDS = (*_FIELDS, "registration_number")
"""What a reviewer may ask to be mended, in the order of the form."""


def item_title(item: str) -> "StrOrPromise":
    """A field or a kind of document in people's words."""
    if item in MerchantDocument.Kind.values:
        return MerchantDocument.Kind(item).label
    if item in REVIEWED_FIELDS:
        return str(getattr(Merchant._meta.get_field(item), "verbose_name", item))
    return _("Document")


def required_documents(merchant: Merchant) -> tuple[str, ...]:
    """A sole trader is in no register."""
    if merchant.business_kind == Merchant.Kind.SOLE_TRADER:
        return _EVERYBODY
    return (MerchantDocument.Kind.REGISTRATION.value, *_EVERYBODY)


def missing_items(merchant: Merchant) -> list[str]:
    """Names of fields and kinds of documents; empty when the application can be submitted."""
    fields = REVIEWED_FIELDS if merchant.business_kind != Merchant.Kind.SOLE_TRADER else _FIELDS
    missing = [name for name in fields if not getattr(merchant, name)]
    kept = MerchantDocument.objects.filter(merchant=merchant, removed_at__isnull=True)
    present = set(kept.values_list("kind", flat=True))
    return missing + [kind for kind in required_documents(merchant) if kind not in present]
