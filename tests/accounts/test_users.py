import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction

from accounts.adapters import MFAAdapter
from accounts.models import User
from tests.accounts.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def test_address_is_one_person_whatever_its_letters() -> None:
    user = User.objects.create_user(" Ada@Example.com ", PASSWORD)
    assert user.pk.startswith("usr_")
    assert User.objects.get(email="ADA@example.COM") == user
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ada@EXAMPLE.com", PASSWORD)
    assert User.objects.count() == 1


def test_several_people_may_have_no_address() -> None:
    for email in (None, ""):
        User.objects.create_user(email, PASSWORD)
    assert list(User.objects.values_list("email", flat=True)) == [None, None]


@pytest.mark.parametrize(
    "change", [{"phone": "123"}, {"phone": "+0123456789"}, {"currency": "us"}, {"email": "nobody"}]
)
def test_database_refuses_what_is_malformed(change: dict[str, str]) -> None:
    user = UserFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**change)


def test_user_is_never_printed_as_an_address() -> None:
    assert str(UserFactory(name="Ada", email="ada@example.com")) == "Ada"
    assert str(UserFactory(name="")).startswith("usr_")


def test_superuser_signs_in_by_address_as_the_consoles_do() -> None:
    User.objects.create_superuser("root@example.com", PASSWORD)
    user = authenticate(None, username="Root@example.com", password=PASSWORD)
    assert isinstance(user, User)
    assert user.is_staff
    assert authenticate(None, username="root@example.com", password="wrong") is None


def test_second_factor_secrets_are_sealed_at_rest() -> None:
    adapter = MFAAdapter()
    sealed = adapter.encrypt("JBSWY3DPEHPK3PXP")
    assert "JBSWY3DPEHPK3PXP" not in sealed
    assert adapter.decrypt(sealed) == "JBSWY3DPEHPK3PXP"
