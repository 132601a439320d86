"""A review decided twice, an application submitted twice, owners who remove each other, one invitation used twice."""

from functools import partial

import pytest

from accounts.models import User
from merchants.members.services import accept_invitation, invite_member, remove_member
from merchants.models import ApiKey, Invitation, Merchant, MerchantMember, MerchantReview
from merchants.onboarding.services import FeeTerms, approve_application, return_application, submit_application
from merchants.services import create_api_key, rotate_api_key
from paycore.models import EventRecord, Notification
from tests.merchants.applications import make_application, make_submitted
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 15
FEES = FeeTerms(basis_points=290, fixed_minor=30)


@pytest.fixture
def staff(db: None) -> list[User]:
    return [make_user(is_staff=True) for _number in range(2)]


def test_approved_and_sent_back_at_once_is_one_of_them(staff: list[User], crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        merchant = make_submitted(owner=make_user())

        def approve(merchant: Merchant = merchant) -> str:
            return approve_application(merchant_id=merchant.id, by=staff[0], fees=FEES).status

        def send_back(merchant: Merchant = merchant) -> str:
            return return_application(merchant_id=merchant.id, by=staff[1], reason="Unreadable").status

        words = tally.note(crew.at_once(approve, send_back))

        status = Merchant.objects.get(id=merchant.id).status
        assert sorted(words) == sorted([status, "illegal_transition"])
        assert MerchantReview.objects.filter(merchant=merchant).count() == 2
        assert EventRecord.objects.filter(object_id=merchant.id).count() == 2
    tally.assert_no_surprise()


def test_an_application_submitted_many_times_at_once_is_submitted_once(crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        owner = make_user()
        merchant = make_application(owner=owner)

        def submit(merchant: Merchant = merchant, owner: User = owner) -> str:
            return submit_application(merchant_id=merchant.id, by=owner).status

        words = tally.note(crew.at_once(*[submit] * 4))

        assert sorted(words) == ["illegal_transition"] * 3 + ["submitted"]
        assert MerchantReview.objects.filter(merchant=merchant).count() == 1
    tally.assert_no_surprise()


def _remove(member: MerchantMember) -> str:
    remove_member(member_id=member.id, merchant_id=member.merchant_id, by="usr_other")
    return "removed"


def test_of_two_owners_who_remove_each_other_one_stays(crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        merchant = make_merchant()
        owners = [make_member(merchant=merchant) for _number in range(2)]

        words = tally.note(crew.at_once(*[partial(_remove, owner) for owner in owners]))

        assert sorted(words) == ["owner_needed", "removed"]
        assert MerchantMember.objects.filter(merchant=merchant, role="owner").count() == 1
    tally.assert_no_surprise()


def test_even_without_the_services_look_the_database_keeps_one_owner(crew: Crew) -> None:
    """Raw deletes of two owners at once: the trigger's lock lets the second see what the first did."""
    kept = 0
    for _trial in range(TRIALS):
        merchant = make_merchant()
        owners = [make_member(merchant=merchant).id for _number in range(2)]

        def delete(member_id: int) -> None:
            MerchantMember.objects.filter(id=member_id).delete()

        crew.at_once(*[partial(delete, owner) for owner in owners])

        kept += MerchantMember.objects.filter(merchant=merchant, role="owner").count()
    assert kept == TRIALS


def test_one_invitation_accepted_many_times_at_once_is_one_role(crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        owner, person = make_member(merchant=make_merchant()), make_user()
        invitation = invite_member(
            merchant_id=owner.merchant_id, email=str(person.email), role="viewer", invited_by=owner.user
        )
        token = str(Notification.objects.get(key=f"merchant_invitation:{invitation.id}").context["token"])

        def accept(token: str = token, person: User = person) -> str:
            return accept_invitation(token=token, user=person).role

        words = tally.note(crew.at_once(*[accept] * 4))

        assert sorted(words) == ["invitation_not_valid"] * 3 + ["viewer"]
        assert MerchantMember.objects.filter(user=person).count() == 1
        assert Invitation.objects.filter(id=invitation.id, accepted_by=person).exists()
    tally.assert_no_surprise()


def test_a_key_rotated_twice_at_once_has_one_successor(crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        member = make_member(merchant=make_merchant())
        key, _secret = create_api_key(merchant=member.merchant, name="server", created_by=None)

        def rotate(key: ApiKey = key, member: MerchantMember = member) -> str:
            rotate_api_key(key_id=key.id, merchant_id=member.merchant_id, created_by=member.user, keep_hours=1)
            return "rotated"

        words = tally.note(crew.at_once(*[rotate] * 3))

        assert sorted(words) == ["api_key_not_active"] * 2 + ["rotated"]
        assert ApiKey.objects.filter(merchant=member.merchant).count() == 2
    tally.assert_no_surprise()
