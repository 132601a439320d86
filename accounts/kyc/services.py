"""What can happen to an identity check, and to the level it gives."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts.events import UserKycLevelChanged
from accounts.kyc.identity_numbers import is_card_number, normalized
from accounts.kyc.models import KycCase, KycDocument, KycDocumentView
from accounts.kyc.transitions import KYC_CASE_STATES
from accounts.models import KycLevel, User
from paycore.card_numbers import CardDataNotAllowed
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.encryption import blind_index
from paycore.errors import Conflict, NotFound, PaycoreError, PermissionRefused
from paycore.events import publish
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from paycore.uploads import FilesMissing, Upload

MAX_CASES = 5
MAX_CASES_IN = timedelta(days=30)
LEASE = timedelta(minutes=1)


class KycUnderReview(Conflict):
    code = "kyc_under_review"
    title = _("A document of yours is being reviewed already.")


class KycAlreadyVerified(Conflict):
    code = "kyc_already_verified"
    title = _("Your identity is verified already.")


class KycTooManySubmissions(PaycoreError):
    code, http_status = "kyc_too_many_submissions", 429
    title = _("You have sent documents too often. Try again later.")


class OwnIdentityCheck(PermissionRefused):
    code = "own_identity_check"
    title = _("Nobody reviews an identity check of their own.")


@dataclass(frozen=True)
class IdentityDocument:
    """What a person sends to be known by. ``country`` is ISO 3166-1, two letters."""

    document_type: str
    country: str
    number: str = field(repr=False)
    files: tuple[Upload, ...] = field(repr=False)


def note_phone_verified(*, user_id: str) -> int:
    """The person proved to hold their present phone number; the level they have now."""
    with transaction.atomic():
        user = _locked_user(user_id)
        user.phone_verified_at = database_now()
        user.save(update_fields=["phone_verified_at"])
        return _settle_level(user)


def submit_identity(user_id: str, *, document: IdentityDocument, now: datetime) -> KycCase:
    """A new check that waits for a reviewer. One at a time, few a month, none once verified."""
    number = normalized(document.number)
    if is_card_number(number):
        raise CardDataNotAllowed
    if not document.files:
        raise FilesMissing
    with transaction.atomic():
        user = _locked_user(user_id)
        _refuse_another(user, now=now)
        case = KycCase.objects.create(
            user=user,
            document_type=document.document_type,
            country=document.country,
            number=number,
            number_index=number_index(country=document.country, number=number),
        )
        for upload in document.files:
            KycDocument.objects.create(
                case=case, content=upload.content, content_type=upload.content_type, size_bytes=len(upload.content)
            )
    case.refresh_from_db(fields=["created_at"])
    return case


def approve_identity(case_id: str, *, reviewer: User, now: datetime) -> KycCase:
    with transaction.atomic():
        case = _decided(case_id, status=KycCase.Status.APPROVED, reviewer=reviewer, reason="", now=now)
        _settle_level(case.user)
        _tell(case, template="identity_approved")
    return case


def reject_identity(case_id: str, *, reviewer: User, reason: str, now: datetime) -> KycCase:
    """``reason`` is read by the person, who may send another document."""
    with transaction.atomic():
        case = _decided(case_id, status=KycCase.Status.REJECTED, reviewer=reviewer, reason=reason, now=now)
        _tell(case, template="identity_rejected")
    return case


def revoke_identity(case_id: str, *, reviewer: User, reason: str, now: datetime) -> KycCase:
    """An approval turned out to be wrong: the level falls back."""
    with transaction.atomic():
        case = _decided(case_id, status=KycCase.Status.REVOKED, reviewer=reviewer, reason=reason, now=now)
        _settle_level(case.user)
        _tell(case, template="identity_revoked")
    return case


def open_document(document_id: str, *, viewer: User) -> KycDocument:
    """The document, unsealed; that ``viewer`` saw it is written down first."""
    document = KycDocument.objects.select_related("case").filter(id=document_id).first()
    if document is None:
        raise NotFound
    if document.case.user_id == viewer.pk:
        raise OwnIdentityCheck
    KycDocumentView.objects.create(case=document.case, document_id=document.id, viewer=viewer)
    return document


def due_cases(*, limit: int) -> list[str]:
    """Decided checks whose documents have been kept long enough."""
    return claim_due(KycCase, lease=LEASE, limit=limit, condition="next_attempt_at IS NOT NULL")


def delete_documents(case_id: str) -> int:
    """How many files went. The check itself stays, without the files."""
    with transaction.atomic():
        case = KycCase.objects.select_for_update(no_key=True).get(id=case_id)
        if case.status == KycCase.Status.SUBMITTED:
            return 0
        deleted, _by_model = case.documents.all().delete()
        case.next_attempt_at = None
        case.save(update_fields=["next_attempt_at"])
    return deleted


def number_index(*, country: str, number: str) -> bytes:
    return blind_index(f"{country}:{number}", context="kyc document number")


def _refuse_another(user: User, *, now: datetime) -> None:
    held = set(user.kyc_cases.filter(status__in=["submitted", "approved"]).values_list("status", flat=True))
    if "submitted" in held:
        raise KycUnderReview
    if held:
        raise KycAlreadyVerified
    if user.kyc_cases.filter(created_at__gt=now - MAX_CASES_IN).count() >= MAX_CASES:
        raise KycTooManySubmissions(retry_after_seconds=24 * 3600)


def _decided(case_id: str, *, status: str, reviewer: User, reason: str, now: datetime) -> KycCase:
    """The person's row is locked before the check's, as everywhere: two reviewers follow each other."""
    owner = KycCase.objects.filter(id=case_id).values_list("user_id", flat=True).first()
    if owner is None:
        raise NotFound
    if owner == reviewer.pk:
        raise OwnIdentityCheck
    user = _locked_user(owner)
    case = KycCase.objects.select_for_update(no_key=True).get(id=case_id)
    KYC_CASE_STATES.require(case.status, status)
    case.user, case.status, case.reason, case.reviewed_by, case.reviewed_at = user, status, reason, reviewer, now
    case.next_attempt_at = now + timedelta(days=settings.PAYCORE_KYC_DOCUMENT_DAYS)
    try:
        case.save(update_fields=["status", "reason", "reviewed_by", "reviewed_at", "next_attempt_at"])
    except IntegrityError as error:
        raise KycAlreadyVerified from error
    return case


def _settle_level(user: User) -> int:
    """Derive the level from what is known, and tell when it changed. The caller holds the person's row."""
    level = KycLevel.NONE
    if user.kyc_cases.filter(status=KycCase.Status.APPROVED).exists():
        level = KycLevel.DOCUMENT
    elif user.is_phone_verified:
        level = KycLevel.PHONE
    previous = user.kyc_level
    if level != previous:
        user.kyc_level = level
        user.save(update_fields=["kyc_level"])
        publish(UserKycLevelChanged(user_id=user.pk, level=int(level), previous_level=int(previous)))
    return int(level)


def _locked_user(user_id: str) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def _tell(case: KycCase, *, template: str) -> None:
    notify(
        template=template,
        to=Recipient(user_id=case.user_id),
        context={"reason": case.reason, "case_id": case.id},
        key=f"{template}:{case.id}",
    )
