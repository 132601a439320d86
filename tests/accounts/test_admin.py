from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/ops/accounts/user/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def clerk() -> User:
    user: User = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    return user


def test_staff_find_people_by_address_and_id(clerk: User) -> None:
    ada = UserFactory(email="ada@example.com")
    UserFactory(email="eve@example.com")
    for term in ("ADA@example.com", ada.pk):
        found = signed_in(clerk).get(LIST, {"q": term}).context["cl"].result_list
        assert [user.pk for user in found] == [ada.pk]


def test_superuser_makes_a_user_who_can_sign_in() -> None:
    root = UserFactory(is_staff=True, is_superuser=True)
    form = {
        "email": "New@example.com",
        "name": "New",
        "usable_password": "true",
        "password1": "a long enough phrase",
        "password2": "a long enough phrase",
    }
    answer = signed_in(root).post(f"{LIST}add/", form)
    assert answer.status_code == 302
    assert User.objects.get(email="new@example.com").check_password("a long enough phrase")


def test_switching_a_user_off_is_one_change(clerk: User) -> None:
    ada = UserFactory(name="Ada")
    form = {"name": "Ada", "locale": "en", "currency": "USD"}
    assert signed_in(clerk).post(f"{LIST}{ada.pk}/change/", form).status_code == 302
    ada.refresh_from_db()
    assert not ada.is_active


def test_clerk_cannot_give_rights_away_or_change_an_address(clerk: User) -> None:
    ada = UserFactory(email="ada@example.com")
    form = {"name": "Ada", "locale": "en", "currency": "USD", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    signed_in(clerk).post(f"{LIST}{ada.pk}/change/", {**form, "email": "eve@example.com"})
    ada.refresh_from_db()
    assert (ada.name, ada.is_staff, ada.is_superuser, ada.email) == ("Ada", False, False, "ada@example.com")


@pytest.mark.parametrize("is_superuser", [True, False])
@pytest.mark.parametrize("action", ["change/", "password/", "delete/"])
def test_clerk_cannot_touch_a_colleague(clerk: User, action: str, is_superuser: bool) -> None:
    root = UserFactory(is_staff=True, is_superuser=is_superuser)
    before = User.objects.values().get(pk=root.pk)
    form: dict[str, Any] = {"name": "x", "password1": "a long enough phrase", "password2": "a long enough phrase"}
    assert signed_in(clerk).post(f"{LIST}{root.pk}/{action}", form).status_code == 403
    assert User.objects.values().get(pk=root.pk) == before


def test_password_form_sets_a_new_password(clerk: User) -> None:
    ada = UserFactory()
    form = {"usable_password": "true", "password1": "another long phrase", "password2": "another long phrase"}
    assert signed_in(clerk).post(f"{LIST}{ada.pk}/password/", form).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password("another long phrase")
