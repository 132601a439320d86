"""Addresses of receipts for people who are not signed in: whoever has the mail may see its receipt."""

from functools import lru_cache

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from paycore.errors import NotFound

_signer = Signer(salt="memberships.receipt", sep=".")
_ANY = "token"


def receipt_url(document_id: str) -> str:
    """Of an invoice or credit note; absolute."""
    return f"{settings.PAYCORE_BASE_URL}{_beginning()}{_signer.sign(document_id)}"


def pdf_url_of(receipt_address: str) -> str:
    """The same document as a file."""
    return f"{receipt_address}/pdf"


def document_of(token: str) -> str:
    """The id in a receipt's address. NotFound when the address was not made here."""
    try:
        return str(_signer.unsign(token))
    except BadSignature as error:
        raise NotFound from error


@lru_cache(maxsize=1)
def _beginning() -> str:
    return reverse("receipt", args=[_ANY]).removesuffix(_ANY)
