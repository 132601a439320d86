"""Every list of both consoles, asked by addresses that nobody clicks together: an answer, never a failure."""

from collections.abc import Iterator

import pytest
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from paycore.sites import ConsoleSite, merchant_site, ops_site
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.phone import PASSWORD

pytestmark = pytest.mark.django_db

LONG = "\U0001f600" + "x" * 9_999


def visitor_of(site: ConsoleSite) -> User:
    if site is ops_site:
        return make_user(is_staff=True, is_superuser=True)
    return make_member(merchant=make_merchant(), role="owner").user


def list_address(site: ConsoleSite, model: type[Model]) -> str:
    return reverse(f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_changelist")


def filters_of(site: ConsoleSite, model: type[Model], visitor: User) -> Iterator[str]:
    """The names by which the list's own filters are asked."""
    request = RequestFactory().get("/")
    request.user, request.session = visitor, Client().session
    for spec in site._registry[model].get_changelist_instance(request).get_filters(request)[0]:
        yield from spec.expected_parameters()


@pytest.mark.parametrize("site", [ops_site, merchant_site], ids=lambda site: str(site.name))
def test_no_list_of_a_console_fails_whatever_its_address_says(client: Client, site: ConsoleSite) -> None:
    visitor = visitor_of(site)
    client.force_login(visitor)
    for model in site._registry:
        address, key = list_address(site, model), model._meta.pk.name
        filters = list(filters_of(site, model, visitor))
        for query, expected in [
            ({"q": LONG, "o": "99.x.-", "p": "abc", "e": "1"}, {200}),
            ({"no_such_field": "1", "cursor": "zzz"}, {302, 400}),
            (dict.fromkeys(filters, "\U0001f600"), {200, 302}),
            ({"q": "\0"}, {400}),
            ({"\0": "1"}, {400}),
            *(({name: "\0"}, {400}) for name in filters[:1]),
            ({f"{key}__gte": "\0"}, {400}),
            ({f"{key}__regex": "("}, {400}),
            ({f"{key}__year": "9" * 12}, {400}),
        ]:
            answer = client.get(f"{address}?{urlencode(query)}")
            assert answer.status_code in expected, (address, query)


def test_a_nul_in_a_selection_or_a_path_of_a_console_is_refused(client: Client) -> None:
    client.force_login(visitor_of(ops_site))
    address = reverse("ops:paycore_outboxmessage_changelist")
    selection = {"action": "requeue", "_selected_action": ["\0"]}

    assert client.post(address, selection).status_code == 400
    assert client.get(f"{address}%00/change/").status_code in {400, 404}
    assert client.get("/ops/autocomplete/?term=%00").status_code == 400


def test_a_refused_address_is_explained_on_a_page_in_the_readers_language(client: Client) -> None:
    client.force_login(visitor_of(ops_site))
    address = reverse("ops:paycore_outboxmessage_changelist")

    refused = client.get(f"{address}?q=%00", headers={"Accept-Language": "zh-hans"})

    assert refused["Content-Type"].startswith("text/html")
    assert 'lang="zh-hans"' in refused.content.decode()


@pytest.mark.parametrize("site", ["ops", "merchant"])
def test_who_opens_the_sign_in_page_itself_is_led_to_the_console_afterwards(client: Client, site: str) -> None:
    visitor = visitor_of(ops_site if site == "ops" else merchant_site)

    answer = client.post(reverse(f"{site}:login"), {"username": visitor.email, "password": PASSWORD})

    assert answer["Location"].endswith(f"?{urlencode({'next': reverse(f'{site}:index')})}")


@pytest.mark.parametrize(
    ("path", "home"), [("/ops/nothing/", "/ops/"), ("/merchant/nothing/", "/merchant/"), ("/x", "/")]
)
def test_a_page_that_is_not_there_leads_back_to_where_the_visitor_was(client: Client, path: str, home: str) -> None:
    client.force_login(visitor_of(merchant_site if home == "/merchant/" else ops_site))

    missing = client.get(path)

    assert missing.status_code == 404
    assert "There is no such page." in missing.content.decode()
    assert f'href="{home}"' in missing.content.decode()
