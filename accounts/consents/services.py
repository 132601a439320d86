"""Publishing texts, and what people say to them."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.consents.models import Consent, ConsentDocument
from accounts.models import User
from paycore.encryption import blind_index
from paycore.errors import Conflict, NotFound

KEPT_BITS_V4, KEPT_BITS_V6 = 24, 48


class ConsentTextReplaced(Conflict):
    code = "consent_text_replaced"
    title = _("A newer version of this text is in force. Show that one.")


class ConsentNotGiven(Conflict):
    code = "consent_not_given"
    title = _("There is no consent to withdraw.")


class ConsentNeededForAccount(Conflict):
    code = "consent_needed_for_account"
    title = _("An account needs this consent. To withdraw it, close the account.")


@dataclass(frozen=True)
class Origin:
    """Where a consent came from: enough to prove it, too little to find the person by."""

    network: str = ""
    device_index: bytes | None = None

    @classmethod
    def of(cls, *, address: str, user_agent: str) -> "Origin":
        index = blind_index(user_agent, context="consent device") if user_agent else None
        return cls(network=shortened(address), device_index=index)


def shortened(address: str) -> str:
    """``203.0.113.7`` → ``203.0.113.0/24``; an IPv6 address keeps 48 bits."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{ip}/{KEPT_BITS_V4 if ip.version == 4 else KEPT_BITS_V6}", strict=False))


def documents_in_force() -> list[ConsentDocument]:
    """The newest published text of each kind."""
    published = ConsentDocument.objects.filter(published_at__isnull=False)
    return list(published.order_by("kind", "-published_at", "-id").distinct("kind"))


def publish_document(document_id: str, *, now: datetime) -> ConsentDocument:
    with transaction.atomic():
        document = ConsentDocument.objects.select_for_update().filter(id=document_id).first()
        if document is None:
            raise NotFound
        if document.published_at is None:
            document.published_at = now
            document.save(update_fields=["published_at"])
    return document


def standing_consents(user_id: str) -> QuerySet[Consent]:
    """The newest act of each kind."""
    rows = Consent.objects.filter(user_id=user_id).select_related("document")
    return rows.order_by("kind", "-id").distinct("kind")


def give_consent(user_id: str, *, document_id: str, origin: Origin) -> Consent:
    """Agree to a text in force. Agreeing twice is one consent."""
    with transaction.atomic():
        _lock(user_id)
        document = ConsentDocument.objects.filter(id=document_id, published_at__isnull=False).first()
        if document is None:
            raise NotFound
        if document not in documents_in_force():
            raise ConsentTextReplaced
        standing = _standing(user_id, kind=document.kind)
        if standing is not None and standing.document_id == document.id and standing.act == Consent.Act.GIVEN:
            return standing
        return _record(user_id, document=document, act=Consent.Act.GIVEN, origin=origin)


def withdraw_consent(user_id: str, *, kind: str, origin: Origin) -> Consent:
    """As easy as giving it. What an account cannot be without is refused."""
    if kind != ConsentDocument.Kind.MARKETING:
        raise ConsentNeededForAccount
    with transaction.atomic():
        _lock(user_id)
        standing = _standing(user_id, kind=kind)
        if standing is None or standing.act == Consent.Act.WITHDRAWN:
            raise ConsentNotGiven
        return _record(user_id, document=standing.document, act=Consent.Act.WITHDRAWN, origin=origin)


def _standing(user_id: str, *, kind: str) -> Consent | None:
    return standing_consents(user_id).filter(kind=kind).first()


def _record(user_id: str, *, document: ConsentDocument, act: str, origin: Origin) -> Consent:
    consent = Consent.objects.create(
        user_id=user_id,
        document=document,
        kind=document.kind,
        act=act,
        network=origin.network,
        device_index=origin.device_index,
    )
    consent.refresh_from_db(fields=["at"])
    return consent


def _lock(user_id: str) -> None:
    User.objects.select_for_update(no_key=True).get(pk=user_id)
