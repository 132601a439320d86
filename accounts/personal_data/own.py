"""What accounts and the kernel themselves keep about a person."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.consents.models import Consent
from accounts.kyc.models import KycCase, KycDocument
from accounts.models import User
from accounts.personal_data.exporting import drop_exports
from accounts.personal_data.models import DataExport
from accounts.personal_data.sections import Collected, Section, register_section
from paycore.errors import Conflict
from paycore.models import IdempotencyKey, Notification
from paycore.notifications.services import sent_to_key


class StaffAccount(Conflict):
    code = "staff_account"
    title = _("This is a staff account. A superuser must take its rights away first.")


def register() -> None:
    register_section(
        Section(
            name="account",
            collect=collect_account,
            erase=erase_account,
            refuse=refuse_staff,
            keeps=_(
                "Your account's number, without a name or an address, and your consents with their dates: "
                "proof that we may have processed your data (GDPR Art. 7(1) and 17(3)(e); China's PIPL Art. 47)."
            ),
        )
    )
    register_section(Section(name="messages", collect=collect_messages, erase=erase_messages))


def collect_account(user_id: str) -> Collected:
    user = User.objects.get(pk=user_id)
    return Collected(
        {
            "profile": {
                "id": user.pk,
                "name": user.name,
                "email": user.email,
                "phone": user.phone,
                "phone_verified_at": user.phone_verified_at,
                "locale": user.locale,
                "currency": user.currency,
                "avatar_url": user.avatar_url or None,
                "identity_level": user.kyc_level,
                "created_at": user.date_joined,
                "last_sign_in_at": user.last_login,
            },
            "email_addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
            "second_factors": list(
                Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")
            ),
            "devices": list(
                UserSession.objects.filter(user=user).values("ip", "user_agent", "created_at", "last_seen_at")
            ),
            "consents": [_consent(row) for row in Consent.objects.filter(user=user).select_related("document")],
            "identity_checks": [_check(case) for case in KycCase.objects.filter(user=user).order_by("id")],
            "exports": list(DataExport.objects.filter(user=user).values("id", "status", "created_at")),
        }
    )


def erase_account(user_id: str) -> None:
    """Overwrites and deletes everything that says who it was; the row stays, for books and orders point to it."""
    user = User.objects.get(pk=user_id)
    _forget_sessions(user)
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    UserSession.objects.filter(user=user).delete()
    drop_exports(user_id)
    KycDocument.objects.filter(case__user=user).delete()
    checks = KycCase.objects.filter(user=user)
    checks.filter(status=KycCase.Status.SUBMITTED).update(status=KycCase.Status.REJECTED, reviewed_at=Now())
    checks.update(number=None, number_index=None, reason="", next_attempt_at=None)
    LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=user_id).update(
        object_repr=user_id
    )
    user.groups.clear()
    user.user_permissions.clear()
    user.email = user.phone = user.phone_verified_at = user.last_login = None
    user.name = user.avatar_url = user.closing_reason = ""
    user.kyc_level = 0
    user.set_unusable_password()
    user.save()


def refuse_staff(user_id: str) -> None:
    if User.objects.filter(pk=user_id, is_staff=True).exists():
        raise StaffAccount


def collect_messages(user_id: str) -> Collected:
    rows = Notification.objects.filter(user_id=user_id).order_by("id")
    return Collected({"sent": [_message(row) for row in rows.iterator()]})


def erase_messages(user_id: str) -> None:
    user = User.objects.get(pk=user_id)
    theirs = Q(user_id=user_id)
    for address in filter(None, (user.email, user.phone)):
        theirs |= Q(key__startswith=sent_to_key(address))
    Notification.objects.filter(theirs).delete()
    IdempotencyKey.objects.filter(scope__startswith=f"{user_id} ").delete()


def _forget_sessions(user: User) -> None:
    """Those of the person, and unfinished sign-ins that name the address. Sessions are text that only Python reads."""
    names = [text for text in (user.email, user.phone) if text]
    Session.objects.filter(expire_date__lt=Now()).delete()
    doomed = []
    for session in Session.objects.iterator(chunk_size=500):
        content = session.get_decoded()
        if content.get("_auth_user_id") == user.pk or any(name in str(content) for name in names):
            doomed.append(session.pk)
    Session.objects.filter(pk__in=doomed).delete()


def _consent(consent: Consent) -> dict[str, Any]:
    return {
        "kind": consent.kind,
        "version": consent.document.version,
        "act": consent.act,
        "network": consent.network,
        "at": consent.at,
    }


def _check(case: KycCase) -> dict[str, Any]:
    return {
        "id": case.id,
        "status": case.status,
        "document_type": case.document_type,
        "country": case.country,
        "number": case.number,
        "reason": case.reason,
        "files_kept": case.documents.count(),
        "reviewed_at": case.reviewed_at,
        "created_at": case.created_at,
    }


def _message(row: Notification) -> dict[str, Any]:
    return {
        "template": row.template,
        "facts": row.context,
        "status": row.status,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
    }
