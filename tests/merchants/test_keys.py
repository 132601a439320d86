"""What a key may do, where it may be used from, and until when."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from merchants.authentication import find_caller, find_holder
from merchants.errors import KeyNotActive
from merchants.models import ApiKey, Merchant
from merchants.services import (
    KeyTerms,
    change_api_key,
    create_api_key,
    parse_networks,
    revoke_api_key,
    rotate_api_key,
)
from paycore.clock import database_now
from paycore.errors import NotFound
from tests.actors import MerchantServer
from tests.api.refusals import assert_refused
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_member, make_merchant

pytestmark = pytest.mark.django_db

ORDER = {"currency": "USD", "amount_minor": 1999, "description": "A thing"}


def _server(terms: KeyTerms) -> MerchantServer:
    merchant = make_merchant()
    _key, secret = create_api_key(merchant=merchant, name="server", created_by=None, terms=terms)
    return MerchantServer(secret=secret, merchant=merchant)


def test_a_read_only_key_reads_and_changes_nothing() -> None:
    server = _server(KeyTerms(access="read"))

    assert server.get("/merchant/orders").status_code == 200
    with nothing_changes():
        assert_refused(server.post("/merchant/orders", ORDER), 403, "key_is_read_only")
        assert_refused(server.post("/orders", ORDER), 403, "key_is_read_only")


@pytest.mark.parametrize(
    ("networks", "status"),
    [
        (["127.0.0.1/32"], 200),
        (["10.0.0.0/8", "127.0.0.0/8"], 200),
        (["2001:db8::/32"], 403),
        (["203.0.113.0/24"], 403),
        ([], 200),
    ],
)
def test_a_key_is_used_from_its_networks_only(networks: list[str], status: int) -> None:
    server = _server(KeyTerms(allowed_networks=networks))

    answer = server.get("/merchant/me")

    assert answer.status_code == status
    if status == 403:
        assert_refused(answer, 403, "ip_not_allowed")


def test_an_ipv4_caller_seen_as_ipv6_is_the_same_caller() -> None:
    server = _server(KeyTerms(allowed_networks=["203.0.113.0/24"]))
    headers = {"Authorization": f"Bearer {server.secret}"}

    inside = Client(REMOTE_ADDR="::ffff:203.0.113.9").get("/api/v1/merchant/me", headers=headers)
    outside = Client(REMOTE_ADDR="::ffff:198.51.100.9").get("/api/v1/merchant/me", headers=headers)

    assert (inside.status_code, outside.status_code) == (200, 403)


def test_a_made_up_forwarded_address_opens_nothing() -> None:
    server = _server(KeyTerms(allowed_networks=["203.0.113.0/24"]))
    headers = {"Authorization": f"Bearer {server.secret}", "X-Forwarded-For": "203.0.113.9"}

    assert_refused(Client().get("/api/v1/merchant/me", headers=headers), 403, "ip_not_allowed")


def test_an_expired_key_is_no_key() -> None:
    server = _server(KeyTerms(expires_at=database_now() + timedelta(hours=1)))
    assert server.get("/merchant/me").status_code == 200

    ApiKey.objects.update(expires_at=Now() - timedelta(seconds=1))

    assert_refused(server.get("/merchant/me"), 401, "authentication_failed")


def test_who_am_i_tells_the_merchant_and_the_key_without_its_secret(merchant_server: MerchantServer) -> None:
    answer = merchant_server.get("/merchant/me")

    body = answer.json()
    assert (body["id"], body["status"]) == (merchant_server.merchant.id, "approved")
    assert merchant_server.secret.startswith(body["key"]["prefix"])
    assert merchant_server.secret not in answer.content.decode()


def test_rotation_makes_a_key_of_the_same_terms_and_lets_the_old_one_end() -> None:
    member = make_member(merchant=make_merchant())
    terms = KeyTerms(access="read", allowed_networks=["203.0.113.0/24"])
    old, old_secret = create_api_key(merchant=member.merchant, name="server", created_by=None, terms=terms)

    new, new_secret = rotate_api_key(
        key_id=old.id, merchant_id=member.merchant_id, created_by=member.user, keep_hours=24
    )

    old.refresh_from_db()
    assert (new.access, new.allowed_networks, new.expires_at) == ("read", ["203.0.113.0/24"], None)
    assert old.replaced_by_id == new.id
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - database_now() <= timedelta(hours=24)
    assert find_holder(old_secret) is not None
    assert find_holder(new_secret) is not None
    with pytest.raises(KeyNotActive):
        rotate_api_key(key_id=old.id, merchant_id=member.merchant_id, created_by=member.user, keep_hours=24)
    assert ApiKey.objects.count() == 2


def test_rotation_at_once_ends_the_old_key_and_never_prolongs_it() -> None:
    member = make_member(merchant=make_merchant())
    first, secret = create_api_key(merchant=member.merchant, name="server", created_by=None)
    soon = database_now() + timedelta(minutes=5)
    second, _secret = create_api_key(
        merchant=member.merchant, name="short", created_by=None, terms=KeyTerms(expires_at=soon)
    )

    rotate_api_key(key_id=first.id, merchant_id=member.merchant_id, created_by=member.user, keep_hours=0)
    rotate_api_key(key_id=second.id, merchant_id=member.merchant_id, created_by=member.user, keep_hours=24)

    assert find_caller(secret) is None
    second.refresh_from_db()
    assert second.expires_at == soon


def test_dead_and_foreign_keys_are_neither_rotated_nor_changed() -> None:
    member, other = make_member(merchant=make_merchant()), make_merchant()
    dead, _secret = create_api_key(merchant=member.merchant, name="dead", created_by=None)
    foreign, _secret = create_api_key(merchant=other, name="foreign", created_by=None)
    revoke_api_key(key_id=dead.id, merchant_id=member.merchant_id)

    for key, refusal in ((dead, KeyNotActive), (foreign, NotFound)):
        with pytest.raises(refusal):
            rotate_api_key(key_id=key.id, merchant_id=member.merchant_id, created_by=member.user, keep_hours=1)
        with pytest.raises(refusal):
            change_api_key(key_id=key.id, merchant_id=member.merchant_id, name="mine", allowed_networks=[])

    assert set(ApiKey.objects.values_list("name", flat=True)) == {"dead", "foreign"}


def test_networks_are_read_strictly() -> None:
    assert parse_networks("203.0.113.7, 2001:db8::/48\n203.0.113.7") == ["203.0.113.7/32", "2001:db8::/48"]
    for text in ("203.0.113.7/24", "example.com", "300.1.1.1", "1.2.3.4/33"):
        with pytest.raises(ValueError):
            parse_networks(text)


def _console(client: Client, merchant: Merchant, *, role: str = "developer") -> None:
    client.force_login(make_member(merchant=merchant, role=role).user)


def test_the_console_makes_a_limited_key(client: Client) -> None:
    merchant = make_merchant()
    _console(client, merchant)
    form = {"name": "reports", "access": "read", "networks_text": "203.0.113.0/24\n2001:db8::1"}

    wrong = client.post(reverse("merchant:merchants_apikey_add"), form | {"networks_text": "203.0.113.0/33"})
    assert wrong.status_code == 200
    assert not ApiKey.objects.exists()
    client.post(reverse("merchant:merchants_apikey_add"), form)

    key = ApiKey.objects.get()
    assert (key.access, key.allowed_networks) == ("read", ["203.0.113.0/24", "2001:db8::1/128"])


def test_the_console_renames_a_key_and_never_widens_it(client: Client) -> None:
    merchant = make_merchant()
    _console(client, merchant)
    key, _secret = create_api_key(merchant=merchant, name="old", created_by=None, terms=KeyTerms(access="read"))

    client.post(
        reverse("merchant:merchants_apikey_change", args=[key.id]),
        {"name": "new", "networks_text": "203.0.113.7", "access": "full", "expires_at_0": "", "expires_at_1": ""},
    )

    key.refresh_from_db()
    assert (key.name, key.access, key.allowed_networks) == ("new", "read", ["203.0.113.7/32"])


def test_the_console_rotates_and_shows_the_new_secret_once(client: Client) -> None:
    merchant = make_merchant()
    _console(client, merchant)
    key, _secret = create_api_key(merchant=merchant, name="server", created_by=None)
    address = reverse("merchant:merchants_apikey_rotate", args=[key.id])

    assert client.get(address).status_code == 200
    assert ApiKey.objects.count() == 1
    answer = client.post(address, {"keep_hours": "2"})

    secret = answer.content.decode().split('console-secret text-important">')[1].split("<")[0]
    caller = find_caller(secret)
    assert caller is not None
    assert caller.key_id == ApiKey.objects.exclude(id=key.id).get().id
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("role", ["finance", "viewer"])
def test_other_roles_do_not_rotate_or_revoke(client: Client, role: str) -> None:
    merchant = make_merchant()
    _console(client, merchant, role=role)
    key, _secret = create_api_key(merchant=merchant, name="server", created_by=None)

    for action in ("rotate", "revoke_this"):
        address = reverse(f"merchant:merchants_apikey_{action}", args=[key.id])
        assert client.post(address, {"keep_hours": "2", "_form_submitted": "on"}).status_code == 403

    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.count() == 1
