"""People are invited, change roles and go; one owner stays."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import InternalError, connection, transaction
from django.db.models.functions import Now
from django.test import Client

from accounts.models import User
from merchants.errors import (
    AlreadyMember,
    InvitationForSomeoneElse,
    InvitationNotValid,
    MerchantNotActive,
    OwnerNeeded,
    TooManyInvitations,
)
from merchants.members import services
from merchants.members.services import (
    accept_invitation,
    change_role,
    find_invitation,
    invite_member,
    remove_member,
    withdraw_invitation,
)
from merchants.models import Invitation, Merchant, MerchantMember
from merchants.personal_data import leave_merchants
from paycore.errors import NotFound
from paycore.models import EventRecord, Notification
from paycore.notifications.services import send_due
from tests.actors import AppUser
from tests.api.refusals import assert_refused
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db


def _invite(merchant: Merchant, *, email: str, role: str = "finance") -> str:
    """The token as the mail carries it."""
    inviter = MerchantMember.objects.filter(merchant=merchant, role="owner").first() or make_member(merchant=merchant)
    invitation = invite_member(merchant_id=merchant.id, email=email, role=role, invited_by=inviter.user)
    context = Notification.objects.get(key=f"merchant_invitation:{invitation.id}").context
    return str(context["token"])


def test_an_invited_person_joins_once() -> None:
    merchant, person = make_merchant(), make_user()
    token = _invite(merchant, email=str(person.email).upper())

    member = accept_invitation(token=token, user=person)

    assert (member.merchant_id, member.user_id, member.role) == (merchant.id, person.id, "finance")
    assert EventRecord.objects.filter(object_id=merchant.id, name="merchant.member_joined").count() == 1
    with pytest.raises(InvitationNotValid):
        accept_invitation(token=token, user=person)
    assert MerchantMember.objects.filter(user=person).count() == 1


def test_only_the_account_with_the_invited_address_joins() -> None:
    merchant, other = make_merchant(), make_user()
    token = _invite(merchant, email="somebody@example.com")

    with pytest.raises(InvitationForSomeoneElse):
        accept_invitation(token=token, user=other)

    assert not MerchantMember.objects.filter(user=other).exists()
    assert find_invitation(token).accepted_at is None


def test_an_invitation_ends_by_time_by_withdrawal_by_a_newer_one_and_with_the_merchant() -> None:
    merchant = make_merchant()
    tokens = [_invite(merchant, email="ada@example.com") for _number in range(2)]
    withdrawn, late = _invite(merchant, email="eve@example.com"), _invite(merchant, email="bob@example.com")
    withdraw_invitation(invitation_id=find_invitation(withdrawn).id, merchant_id=merchant.id)
    Invitation.objects.filter(id=find_invitation(late).id).update(expires_at=Now() - timedelta(seconds=1))

    assert find_invitation(tokens[1]).email == "ada@example.com"
    for token in (tokens[0], withdrawn, late, "", "x" * 5000, "wrong"):
        with pytest.raises(InvitationNotValid):
            find_invitation(token)
    Merchant.objects.filter(id=merchant.id).update(status="closed")
    with pytest.raises(InvitationNotValid):
        find_invitation(tokens[1])


def test_a_withdrawn_invitation_of_another_merchant_is_not_there() -> None:
    token = _invite(make_merchant(), email="ada@example.com")

    with pytest.raises(NotFound):
        withdraw_invitation(invitation_id=find_invitation(token).id, merchant_id=make_merchant().id)

    assert find_invitation(token).withdrawn_at is None


def test_neither_address_nor_token_is_readable_in_the_database() -> None:
    token = _invite(make_merchant(), email="ada@example.com")

    with connection.cursor() as cursor:
        for table in ("merchants_invitation", "merchants_invitationevent", "paycore_notification"):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} AS t")
            text = cursor.fetchone()[0] or ""
            assert token not in text
            assert "ada@example.com" not in text


def test_members_are_not_invited_again_and_closed_merchants_invite_nobody() -> None:
    merchant = make_merchant()
    member = make_member(merchant=merchant)

    with pytest.raises(AlreadyMember):
        invite_member(merchant_id=merchant.id, email=str(member.user.email), role="viewer", invited_by=member.user)
    Merchant.objects.filter(id=merchant.id).update(status="closed")
    with pytest.raises(MerchantNotActive):
        invite_member(merchant_id=merchant.id, email="ada@example.com", role="viewer", invited_by=member.user)

    assert not Invitation.objects.exists()


@pytest.mark.parametrize("limit", ["MOST_OPEN_INVITATIONS", "MOST_INVITATIONS_A_DAY"])
def test_invitations_are_bounded(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    merchant = make_merchant()
    monkeypatch.setattr(services, limit, 2)
    for number in range(2):
        _invite(merchant, email=f"person{number}@invited.example")

    with pytest.raises(TooManyInvitations):
        _invite(merchant, email="one.more@invited.example")

    assert Invitation.objects.count() == 2


def test_the_last_owner_stays_an_owner() -> None:
    merchant = make_merchant()
    owner = make_member(merchant=merchant)
    make_member(merchant=merchant, role="viewer")

    with pytest.raises(OwnerNeeded):
        change_role(member_id=owner.id, merchant_id=merchant.id, role="viewer", by=owner.user_id)
    with pytest.raises(OwnerNeeded):
        remove_member(member_id=owner.id, merchant_id=merchant.id, by=owner.user_id)

    assert MerchantMember.objects.get(id=owner.id).role == "owner"
    assert not EventRecord.objects.exists()


def test_the_database_refuses_to_lose_the_last_owner() -> None:
    owner = make_member(merchant=make_merchant())

    with pytest.raises(InternalError, match="without an owner"), transaction.atomic():
        MerchantMember.objects.filter(id=owner.id).delete()
    with pytest.raises(InternalError, match="without an owner"), transaction.atomic():
        MerchantMember.objects.update(role="viewer")

    assert MerchantMember.objects.get().role == "owner"


def test_with_a_second_owner_the_first_may_go() -> None:
    merchant = make_merchant()
    first, second = make_member(merchant=merchant), make_member(merchant=merchant, role="viewer")

    change_role(member_id=second.id, merchant_id=merchant.id, role="owner", by=first.user_id)
    remove_member(member_id=first.id, merchant_id=merchant.id, by=second.user_id)

    assert [(member.user_id, member.role) for member in MerchantMember.objects.all()] == [(second.user_id, "owner")]
    names = EventRecord.objects.order_by("id").values_list("name", flat=True)
    assert list(names) == ["merchant.member_role_changed", "merchant.member_removed"]


def test_another_merchants_member_is_not_there() -> None:
    merchant, other = make_merchant(), make_merchant()
    member = make_member(merchant=other, role="viewer")

    with pytest.raises(NotFound):
        change_role(member_id=member.id, merchant_id=merchant.id, role="owner", by="usr_1")
    with pytest.raises(NotFound):
        remove_member(member_id=member.id, merchant_id=merchant.id, by="usr_1")

    assert MerchantMember.objects.get(id=member.id).role == "viewer"


def test_an_app_user_accepts_by_the_api(app_user: AppUser) -> None:
    merchant = make_merchant()
    token = _invite(merchant, email=str(app_user.user.email), role="developer")

    answer = app_user.post("/merchant-invitations/accept", {"token": token})

    assert answer.status_code == 200
    assert (answer.json()["merchant"], answer.json()["role"]) == (merchant.id, "developer")
    assert_refused(app_user.post("/merchant-invitations/accept", {"token": token}), 404, "invitation_not_valid")


def test_the_mail_leads_to_a_page_where_a_person_with_an_account_joins_by_password(client: Client) -> None:
    merchant, person = make_merchant(name="Corner Shop"), make_user(password="correct horse")
    _invite(merchant, email=str(person.email))
    send_due()
    address = re.search(r"http\S+(/merchant/invitation\?token=\S+)", str(mail.outbox[0].body))
    assert address is not None

    page = client.get(address[1]).content.decode()
    token = address[1].partition("=")[2]
    refused = client.post("/merchant/invitation", {"token": token, "password": "wrong"})
    assert not MerchantMember.objects.filter(user=person).exists()
    joined = client.post("/merchant/invitation", {"token": token, "password": "correct horse"})

    assert "Corner Shop" in page
    assert refused.status_code == 200
    assert joined.status_code == 302
    assert MerchantMember.objects.get(user=person).role == "finance"
    assert "_auth_user_id" not in client.session
    assert client.get(address[1]).status_code == 404


def test_a_person_without_an_account_gets_one_with_a_verified_address(client: Client) -> None:
    merchant = make_merchant()
    token = _invite(merchant, email="new.person@example.com")
    form = {"token": token, "person": "Nora New", "new_password": "12345678"}

    weak = client.post("/merchant/invitation", form)
    assert weak.status_code == 200
    assert not User.objects.filter(email="new.person@example.com").exists()
    client.post("/merchant/invitation", form | {"new_password": "a long enough phrase"})

    user = User.objects.get(email="new.person@example.com")
    assert user.check_password("a long enough phrase")
    assert user.emailaddress_set.get().verified
    assert MerchantMember.objects.get(user=user).merchant_id == merchant.id


def test_looking_at_an_invitation_joins_nobody(client: Client) -> None:
    merchant, person = make_merchant(), make_user()
    token = _invite(merchant, email=str(person.email))
    client.force_login(person)

    client.get("/merchant/invitation", {"token": token})

    assert not MerchantMember.objects.filter(user=person).exists()


def test_who_is_erased_is_named_by_no_invitation() -> None:
    """Neither the accepted one nor the one that nobody answered, nor the mails that carried them."""
    person, other = make_user(), make_user()
    first, second = make_merchant(), make_merchant()
    accept_invitation(token=_invite(first, email=str(person.email)), user=person)
    unanswered = _invite(second, email=str(person.email))
    _invite(second, email=str(other.email))

    leave_merchants(person.pk)

    left = {invitation.email for invitation in Invitation.objects.all()}
    assert left == {"", other.email}
    assert Notification.objects.filter(template="merchant_invitation").count() == 1
    with pytest.raises(InvitationNotValid):
        find_invitation(unanswered)
