from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.models import User
from merchants.authentication import ApiKeyAuthentication, MerchantCaller
from merchants.errors import MerchantNotActive
from merchants.models import ApiKey
from merchants.permissions import IsAppUser, IsMerchantServer
from merchants.services import create_api_key, revoke_api_key
from tests.merchants.factories import make_merchant, make_secret

pytestmark = pytest.mark.django_db


def _request(header: str | None) -> Request:
    headers = {} if header is None else {"Authorization": header}
    return Request(APIRequestFactory().get("/", headers=headers))


def _authenticate(header: str | None) -> MerchantCaller | None:
    result = ApiKeyAuthentication().authenticate(_request(header))
    return result[0] if result else None


def test_a_good_key_tells_which_merchant_calls() -> None:
    merchant, other = make_merchant(), make_merchant()
    key, secret = create_api_key(merchant=merchant, name="server", created_by=None)
    make_secret(merchant=other)

    caller = _authenticate(f"Bearer {secret}")

    assert caller == MerchantCaller(merchant_id=merchant.id, key_id=key.id)
    assert caller.is_authenticated
    assert caller.id == key.id


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer eyJhbGciOi.J9.x", "Bearer pk_abc", "Basic sk_abc", "sk_abc"]
)
def test_tokens_that_are_not_api_keys_are_left_to_others(header: str | None) -> None:
    assert _authenticate(header) is None


@pytest.mark.parametrize(
    "header", ["Bearer sk_", "Bearer sk_wrong", "bearer sk_wrong", "Bearer sk_" + "a" * 5000, "Bearer sk_\xff\x00é"]
)
def test_a_wrong_key_is_refused(header: str) -> None:
    make_secret(merchant=make_merchant())

    with pytest.raises(AuthenticationFailed) as refusal:
        _authenticate(header)

    assert refusal.value.get_codes() == "invalid_api_key"


def test_a_revoked_key_is_refused_and_its_use_is_not_noted() -> None:
    merchant = make_merchant()
    key, secret = create_api_key(merchant=merchant, name="server", created_by=None)
    revoke_api_key(key_id=key.id, merchant_id=merchant.id)

    with pytest.raises(AuthenticationFailed):
        _authenticate(f"Bearer {secret}")

    assert ApiKey.objects.get().last_used_at is None


@pytest.mark.parametrize("status", ["draft", "submitted", "returned", "suspended"])
def test_a_key_of_a_merchant_that_is_not_approved_is_refused(status: str) -> None:
    secret = make_secret(merchant=make_merchant(status=status))

    with pytest.raises(MerchantNotActive):
        _authenticate(f"Bearer {secret}")

    assert ApiKey.objects.get().last_used_at is None


def test_the_last_use_is_noted_once_a_minute_and_a_call_in_between_is_one_read() -> None:
    secret = make_secret(merchant=make_merchant())
    _authenticate(f"Bearer {secret}")
    first = ApiKey.objects.get().last_used_at
    assert first is not None

    with CaptureQueriesContext(connection) as queries:
        _authenticate(f"Bearer {secret}")
    assert len(queries) == 1
    assert ApiKey.objects.get().last_used_at == first

    ApiKey.objects.update(last_used_at=Now() - timedelta(seconds=61))
    _authenticate(f"Bearer {secret}")
    again = ApiKey.objects.get().last_used_at
    assert again is not None
    assert again >= first


def test_permissions_tell_servers_from_people() -> None:
    view = APIView()
    caller = MerchantCaller(merchant_id="mer_1", key_id="key_1")
    server, person, nobody = _request(None), _request(None), _request(None)
    server.user = server.auth = caller
    person.user = User(email="person@example.com")
    nobody.user = AnonymousUser()
    person.auth = nobody.auth = None

    assert [IsMerchantServer().has_permission(request, view) for request in (server, person, nobody)] == [
        True,
        False,
        False,
    ]
    assert [IsAppUser().has_permission(request, view) for request in (server, person, nobody)] == [False, True, False]
