"""Who acts for a merchant: people are invited, change roles and go. One owner at least stays.

What a role may do is in ``docs/merchants.md``; here only an owner changes people.
"""

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from merchants.errors import (
    AccountExists,
    AlreadyMember,
    InvitationForSomeoneElse,
    InvitationNotValid,
    MerchantNotActive,
    OwnerNeeded,
    TooManyInvitations,
)
from merchants.events import MemberJoined, MemberRemoved, MemberRoleChanged
from merchants.models import Invitation, Merchant, MerchantMember
from paycore.clock import database_now
from paycore.encryption import blind_index
from paycore.errors import NotFound
from paycore.events import publish
from paycore.models import Notification
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify

INVITATION_LASTS = timedelta(days=7)
MOST_OPEN_INVITATIONS = 50
MOST_INVITATIONS_A_DAY = 100
_MAX_TOKEN_CHARACTERS = 128
_INDEX = "merchants.invitation.email"


def invite_member(*, merchant_id: str, email: str, role: str, invited_by: User) -> Invitation:
    """Mail a link to ``email``; an older open invitation of the same address is withdrawn.

    Raises AlreadyMember, TooManyInvitations, MerchantNotActive (closed).
    """
    address = email.strip().lower()
    index = blind_index(address, context=_INDEX)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        merchant = _lock_merchant(merchant_id)
        if merchant.status == Merchant.Status.CLOSED:
            raise MerchantNotActive
        if MerchantMember.objects.filter(merchant=merchant, user__email=address).exists():
            raise AlreadyMember
        is_open = merchant.invitations.filter(accepted_at__isnull=True, withdrawn_at__isnull=True)
        is_open.filter(email_index=index).update(withdrawn_at=Now())
        now = database_now()
        lately = merchant.invitations.filter(created_at__gt=now - timedelta(days=1)).count()
        if lately >= MOST_INVITATIONS_A_DAY or is_open.filter(expires_at__gt=now).count() >= MOST_OPEN_INVITATIONS:
            raise TooManyInvitations
        invitation = Invitation.objects.create(
            merchant=merchant,
            email=address,
            email_index=index,
            role=role,
            token_hash=_hash(token),
            invited_by=invited_by,
            expires_at=now + INVITATION_LASTS,
        )
        notify(
            template="merchant_invitation",
            to=Recipient(email=address, language=invited_by.locale),
            context={
                "merchant_name": merchant.name,
                "role": role,
                "token": token,
                "expires_at": invitation.expires_at.isoformat(),
            },
            key=f"merchant_invitation:{invitation.id}",
        )
    return invitation


def withdraw_invitation(*, invitation_id: str, merchant_id: str) -> bool:
    """Whether it was still open: a second call changes nothing. Another merchant's is ``NotFound``."""
    found = Invitation.objects.filter(id=invitation_id, merchant_id=merchant_id)
    was_open = found.filter(accepted_at__isnull=True, withdrawn_at__isnull=True).update(withdrawn_at=Now())
    if not was_open and not found.exists():
        raise NotFound
    return bool(was_open)


def forget_invitations(user: User) -> None:
    """Those the person accepted, and those that wait for an answer at the person's address: these end."""
    theirs = Q(accepted_by=user)
    if user.email:
        theirs |= Q(email_index=blind_index(user.email, context=_INDEX))
    found = Invitation.objects.filter(theirs)
    keys = [f"merchant_invitation:{invitation_id}" for invitation_id in found.values_list("id", flat=True)]
    Notification.objects.filter(key__in=keys).delete()
    found.filter(accepted_at=None, withdrawn_at=None).update(withdrawn_at=Now())
    found.update(email="", email_index=b"")


def find_invitation(token: str) -> Invitation:
    """The open invitation behind a mailed token. InvitationNotValid when there is none (any more)."""
    if not token or len(token) > _MAX_TOKEN_CHARACTERS:
        raise InvitationNotValid
    invitations = Invitation.objects.filter(
        token_hash=_hash(token), accepted_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=Now()
    )
    invitation = invitations.select_related("merchant").first()
    if invitation is None or invitation.merchant.status == Merchant.Status.CLOSED:
        raise InvitationNotValid
    return invitation


def accept_invitation(*, token: str, user: User) -> MerchantMember:
    """The invited person joins; a repeat is InvitationNotValid. Only the account with the invited address may."""
    with transaction.atomic():
        merchant_id = find_invitation(token).merchant_id
        _lock_merchant(merchant_id)
        invitation = find_invitation(token)  # under the lock: of two acceptances the second finds none
        if (user.email or "") != invitation.email:
            raise InvitationForSomeoneElse
        member, is_new = MerchantMember.objects.get_or_create(
            merchant_id=merchant_id, user=user, defaults={"role": invitation.role}
        )
        if not is_new:
            raise AlreadyMember
        invitation.accepted_at, invitation.accepted_by = database_now(), user
        invitation.save(update_fields=["accepted_at", "accepted_by"])
        publish(MemberJoined(merchant_id, user_id=user.id, role=member.role))
    return member


def join_as_new_person(*, token: str, name: str, password: str) -> MerchantMember:
    """An account for the invited address, which the mail has proved, and the role. AccountExists when there is one."""
    with transaction.atomic():
        _lock_merchant(find_invitation(token).merchant_id)
        invitation = find_invitation(token)  # under the lock: of two acceptances the second finds none
        if User.objects.filter(email=invitation.email).exists():
            raise AccountExists
        user = User.objects.create_user(invitation.email, password, name=name)
        EmailAddress.objects.create(user=user, email=invitation.email, verified=True, primary=True)
        return accept_invitation(token=token, user=user)


def change_role(*, member_id: int, merchant_id: str, role: str, by: str) -> MerchantMember:
    """OwnerNeeded when the last owner would be none."""
    with transaction.atomic():
        member = _lock_member(member_id, merchant_id=merchant_id)
        if member.role == role:
            return member
        if role != MerchantMember.Role.OWNER:
            _require_another_owner(member)
        member.role = role
        member.save(update_fields=["role"])
        publish(MemberRoleChanged(merchant_id, user_id=member.user_id, role=role, by=by))
    return member


def remove_member(*, member_id: int, merchant_id: str, by: str) -> None:
    """They lose the console with their next request. OwnerNeeded when it is the last owner."""
    with transaction.atomic():
        member = _lock_member(member_id, merchant_id=merchant_id)
        _require_another_owner(member)
        publish(MemberRemoved(merchant_id, user_id=member.user_id, by=by))
        member.delete()


def _require_another_owner(member: MerchantMember) -> None:
    """Under the merchant's lock; a trigger refuses what slips past."""
    others = MerchantMember.objects.filter(merchant_id=member.merchant_id, role=MerchantMember.Role.OWNER)
    if member.role == MerchantMember.Role.OWNER and not others.exclude(id=member.id).exists():
        raise OwnerNeeded


def _lock_merchant(merchant_id: str) -> Merchant:
    merchant = Merchant.objects.select_for_update(no_key=True).filter(id=merchant_id).first()
    if merchant is None:
        raise NotFound
    return merchant


def _lock_member(member_id: int, *, merchant_id: str) -> MerchantMember:
    _lock_merchant(merchant_id)
    member = MerchantMember.objects.select_for_update().filter(id=member_id, merchant_id=merchant_id).first()
    if member is None:
        raise NotFound
    return member


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
