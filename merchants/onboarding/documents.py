"""Files that prove an application: taken sealed, opened only with a line in the journal."""

from dataclasses import dataclass, field

from django.db import transaction

from merchants.errors import TooManyDocuments
from merchants.models import Merchant
from merchants.onboarding.models import DocumentView, MerchantDocument
from merchants.onboarding.services import lock_open_application
from paycore.clock import database_now
from paycore.encryption import seal, unseal
from paycore.errors import NotFound
from paycore.identifiers import new_id
from paycore.uploads import Upload

MOST_DOCUMENTS = 20


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """The bytes of a document, for one answer."""

    document: MerchantDocument
    content: bytes = field(repr=False)


def add_document(
    *, merchant_id: str, kind: str, file_name: str, upload: Upload, uploaded_by_id: str
) -> MerchantDocument:
    """Keep a checked file. ApplicationNotOpen while it is reviewed and after; TooManyDocuments."""
    document_id = new_id("mdoc")
    sealed = seal(upload.content, aad=_place(document_id))
    with transaction.atomic():
        merchant = lock_open_application(merchant_id)
        if MerchantDocument.objects.filter(merchant=merchant, removed_at__isnull=True).count() >= MOST_DOCUMENTS:
            raise TooManyDocuments
        return MerchantDocument.objects.create(
            id=document_id,
            merchant=merchant,
            kind=kind,
            file_name=_plain_name(file_name),
            content_type=upload.content_type,
            size_bytes=len(upload.content),
            sha256=upload.sha256,
            sealed_content=sealed,
            uploaded_by_id=uploaded_by_id,
        )


def remove_document(*, merchant_id: str, document_id: str) -> None:
    """Its bytes are gone; the row stays. NotFound also for one that was removed already."""
    with transaction.atomic():
        merchant = lock_open_application(merchant_id)
        removed = MerchantDocument.objects.filter(id=document_id, merchant=merchant, removed_at__isnull=True).update(
            sealed_content=None, removed_at=database_now()
        )
        if not removed:
            raise NotFound


def open_document(*, document_id: str, viewed_by_id: str) -> OpenedDocument:
    """The view is in the journal before the bytes leave. NotFound for a removed one."""
    with transaction.atomic():
        document = MerchantDocument.objects.defer(None).filter(id=document_id, removed_at__isnull=True).first()
        if document is None or document.sealed_content is None:
            raise NotFound
        DocumentView.objects.create(document=document, viewed_by_id=viewed_by_id)
    return OpenedDocument(document, unseal(bytes(document.sealed_content), aad=_place(document.id)))


def documents_of(merchant: Merchant) -> list[MerchantDocument]:
    """Those that are there, oldest first."""
    return list(MerchantDocument.objects.filter(merchant=merchant, removed_at__isnull=True).order_by("id"))


def _place(document_id: str) -> str:
    return f"merchants_merchantdocument.sealed_content:{document_id}"


def _plain_name(file_name: str) -> str:
    """The last part without anything that a header, a page or a disk could misread."""
    name = file_name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter if letter.isalnum() or letter in "-_. ()" else "_" for letter in name).strip("._ ")
    return kept[-120:] or "document"
