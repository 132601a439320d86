"""Who sits at the risk desk."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from tests.merchants.factories import make_user


@pytest.fixture
def boss(db: None) -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


@pytest.fixture
def staff_who_may(db: None) -> Callable[..., Client]:
    """Signed-in staff with exactly the permissions named."""

    def signed_in(*codenames: str) -> Client:
        user = make_user(is_staff=True)
        permissions = Permission.objects.filter(codename__in=codenames, content_type__app_label="riskcontrol")
        assert permissions.count() == len(codenames)
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return signed_in
