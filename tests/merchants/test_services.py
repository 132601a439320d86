import pytest
from django.db import IntegrityError, InternalError, connection, transaction

from merchants.errors import MerchantNotActive, NoPlatformMerchant
from merchants.models import ApiKey, Merchant, MerchantMember
from merchants.onboarding.services import FeeTerms, approve_application, close_merchant, reinstate_merchant
from merchants.queries import get_merchant, merchant_fee, platform_merchant, refund_needs_review
from merchants.services import create_api_key, create_merchant, hash_secret, revoke_api_key
from merchants.transitions import MERCHANT_STATES
from paycore.errors import NotFound
from paycore.models import EventRecord
from paycore.money import Money, UnknownCurrency
from paycore.states import IllegalTransition
from tests.merchants.factories import make_merchant, make_user

pytestmark = pytest.mark.django_db


FEES = FeeTerms(basis_points=290, fixed_minor=30)


def test_a_step_that_the_table_does_not_have_changes_and_publishes_nothing() -> None:
    merchant = create_merchant(name="Shop", country="SG")

    with pytest.raises(IllegalTransition):
        approve_application(merchant_id=merchant.id, by=make_user(is_staff=True), fees=FEES)

    assert Merchant.objects.get().status == "draft"
    assert not EventRecord.objects.exists()


def test_the_database_refuses_the_same_step_from_raw_sql() -> None:
    merchant = create_merchant(name="Shop", country="SG")

    with pytest.raises(InternalError, match="Invalid transition"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE merchants_merchant SET status = 'approved' WHERE id = %s", [merchant.id])

    assert Merchant.objects.get().status == "draft"


def test_a_closed_merchant_stays_closed() -> None:
    merchant, staff = make_merchant(status="approved"), make_user(is_staff=True)
    close_merchant(merchant_id=merchant.id, by=staff, reason="They asked for it")

    with pytest.raises(IllegalTransition):
        reinstate_merchant(merchant_id=merchant.id, by=staff, reason="Perhaps not")

    assert get_merchant(merchant.id).status == "closed"


def test_a_merchant_is_never_deleted() -> None:
    merchant = make_merchant()

    with pytest.raises(InternalError), transaction.atomic():
        Merchant.objects.filter(id=merchant.id).delete()

    assert Merchant.objects.filter(id=merchant.id).exists()


def test_every_status_has_a_label_and_a_place_in_the_table() -> None:
    assert set(MERCHANT_STATES.states) == set(Merchant.Status.values)


def test_a_merchant_is_created_with_its_owner() -> None:
    user = make_user()

    merchant = create_merchant(name="Shop", country="SG", owner=user)

    member = MerchantMember.objects.get()
    assert (member.merchant_id, member.user_id, member.role) == (merchant.id, user.id, "owner")


def test_an_unknown_currency_creates_no_merchant() -> None:
    with pytest.raises(UnknownCurrency):
        create_merchant(name="Shop", country="SG", home_currency="XXX")

    assert not Merchant.objects.exists()


def test_there_is_one_platform_merchant_at_most() -> None:
    with pytest.raises(NoPlatformMerchant):
        platform_merchant()
    platform = create_merchant(name="Us", country="SG", is_platform=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        create_merchant(name="Also us", country="SG", is_platform=True)

    assert platform_merchant().id == platform.id
    assert Merchant.objects.count() == 1


def test_an_unknown_merchant_is_not_found() -> None:
    with pytest.raises(NotFound):
        get_merchant("mer_nobody")


def test_the_secret_of_a_key_is_not_in_the_database() -> None:
    merchant = make_merchant()

    key, secret = create_api_key(merchant=merchant, name="server", created_by=None)

    assert secret.startswith("sk_")
    assert len(secret) == 46
    assert bytes(ApiKey.objects.get().secret_hash) == hash_secret(secret)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k::text, e::text FROM merchants_apikey k JOIN merchants_apikeyevent e ON e.pgh_obj_id = k.id"
        )
        row = cursor.fetchone()
    assert key.id in row[0]
    assert secret not in "".join(row)
    assert hash_secret(secret).hex() not in row[1]


def test_a_closed_merchant_gets_no_key() -> None:
    with pytest.raises(MerchantNotActive):
        create_api_key(merchant=make_merchant(status="closed"), name="server", created_by=None)

    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_once_and_by_its_own_merchant_only() -> None:
    merchant, other = make_merchant(), make_merchant()
    key, _secret = create_api_key(merchant=merchant, name="server", created_by=None)

    with pytest.raises(NotFound):
        revoke_api_key(key_id=key.id, merchant_id=other.id)
    assert ApiKey.objects.get().revoked_at is None

    assert revoke_api_key(key_id=key.id, merchant_id=merchant.id) is True
    revoked_at = ApiKey.objects.get().revoked_at
    assert revoke_api_key(key_id=key.id, merchant_id=merchant.id) is False
    assert ApiKey.objects.get().revoked_at == revoked_at


def test_the_history_of_a_key_is_kept_by_the_database() -> None:
    key, _secret = create_api_key(merchant=make_merchant(), name="server", created_by=None)
    ApiKey.objects.filter(id=key.id).update(name="renamed")

    with connection.cursor() as cursor:
        cursor.execute("SELECT pgh_label, name FROM merchants_apikeyevent ORDER BY pgh_id")
        assert cursor.fetchall() == [("insert", "server"), ("update", "renamed")]


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        (Money(10_000, "USD"), Money(320, "USD")),
        (Money(10_000, "JPY"), Money(290, "JPY")),
        (Money(10, "USD"), Money(10, "USD")),
        (Money(0, "USD"), Money(0, "USD")),
    ],
)
def test_the_fee_is_the_share_and_at_home_the_fixed_part_but_never_more_than_the_amount(
    amount: Money, fee: Money
) -> None:
    merchant = Merchant(home_currency="USD", fee_basis_points=290, fee_fixed_minor=30)

    assert merchant_fee(merchant, amount) == fee


def test_refunds_above_the_limit_in_another_currency_or_without_a_limit_need_a_person() -> None:
    limited = Merchant(home_currency="USD", refund_review_above_minor=5_000)
    unlimited = Merchant(home_currency="USD", refund_review_above_minor=None)

    assert not refund_needs_review(limited, Money(5_000, "USD"))
    assert refund_needs_review(limited, Money(5_001, "USD"))
    assert refund_needs_review(limited, Money(1, "JPY"))
    assert refund_needs_review(unlimited, Money(1, "USD"))
