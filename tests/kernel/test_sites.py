from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from paycore.models import EventRecord, OutboxMessage
from paycore.sites import (
    Card,
    Chart,
    Dashboard,
    Series,
    environment_ribbon,
    merchant_site,
    ops_site,
    register_dashboard,
)
from paycore.sites import login as console_login
from paycore.sites.dashboards import _providers
from paycore.sites.login import MAX_ATTEMPTS, LoginAttempts
from paycore.sites.navigation import OPS_GROUPS, navigation
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.phone import Phone, give_code, give_password, is_inside

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_attempts_left_over() -> Iterator[None]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    _forget(client)
    cache.clear()
    yield
    _forget(client)


def _forget(client: "redis.Redis") -> None:
    for key in client.scan_iter("paycore:console:*"):
        client.delete(key)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("site", ["ops", "merchant"])
def test_a_visitor_is_sent_to_the_login_page(client: Client, site: str) -> None:
    response = client.get(reverse(f"{site}:index"))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse(f"{site}:login"))
    assert client.get(response["Location"]).status_code == 200


def test_staff_enter_the_ops_console_and_not_the_merchant_console(client: Client) -> None:
    user = make_user(is_staff=True, is_superuser=True)

    phone = Phone.of(user)
    assert give_password(client, site="merchant", email=user.email) == 200
    assert give_code(client, site="merchant", code=phone.code()) == 302
    assert not is_inside(client, site="merchant")
    assert give_password(client, site="ops", email=user.email) == 302
    assert give_code(client, site="ops", code=phone.code()) == 302
    assert is_inside(client, site="ops")
    assert not is_inside(client, site="merchant")


def test_a_merchants_member_enters_the_merchant_console_and_not_the_ops_console(client: Client) -> None:
    user = make_member(merchant=make_merchant()).user

    phone = Phone.of(user)
    assert give_password(client, site="ops", email=user.email) == 200
    assert give_password(client, site="merchant", email=user.email) == 302
    assert give_code(client, site="merchant", code=phone.code()) == 302
    assert is_inside(client, site="merchant")
    assert not is_inside(client, site="ops")


def test_a_member_of_a_closed_merchant_stays_outside(client: Client) -> None:
    user = make_member(merchant=make_merchant(status="closed")).user
    Phone.of(user)

    assert give_password(client, site="merchant", email=user.email) == 200
    assert client.get(reverse("merchant:second_step")).status_code == 302


def test_after_ten_failures_the_right_password_is_refused_too(client: Client) -> None:
    user, other = make_user(is_staff=True), make_user(is_staff=True)
    for _attempt in range(MAX_ATTEMPTS):
        assert give_password(client, site="ops", email=user.email, password="wrong") == 200

    assert give_password(client, site="ops", email=user.email) == 200
    assert client.get(reverse("ops:second_step")).status_code == 302
    assert give_password(client, site="ops", email=other.email) == 302


def test_a_success_forgives_the_failures_before_it(client: Client) -> None:
    user = make_user(is_staff=True)
    for _round in range(2):
        for _attempt in range(MAX_ATTEMPTS - 1):
            give_password(client, site="ops", email=user.email, password="wrong")
        assert give_password(client, site="ops", email=user.email) == 302


def test_the_limit_holds_without_redis(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user(is_staff=True)
    monkeypatch.setattr(console_login, "attempts", LoginAttempts())
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        for _attempt in range(MAX_ATTEMPTS):
            assert give_password(client, site="ops", email=user.email, password="wrong") == 200
        assert give_password(client, site="ops", email=user.email) == 200

    assert client.get(reverse("ops:second_step")).status_code == 302


def test_the_policy_is_relaxed_on_the_consoles_only_by_what_unfold_needs(staff: Client) -> None:
    for address in (reverse("ops:index"), reverse("ops:login"), reverse("merchant:login")):
        policy = dict(
            part.strip().split(" ", 1) for part in staff.get(address, follow=True)["Content-Security-Policy"].split(";")
        )
        assert policy["script-src"] == "'self' 'unsafe-eval'"
        assert policy["style-src"] == "'self' 'unsafe-inline'"
        assert policy["default-src"] == "'none'"

    elsewhere = staff.get("/no-such-page")
    assert "unsafe" not in elsewhere["Content-Security-Policy"]


def test_every_page_of_the_ops_console_answers(staff: Client) -> None:
    for model in ops_site._registry:
        name = f"ops:{model._meta.app_label}_{model._meta.model_name}"
        assert staff.get(reverse(f"{name}_changelist")).status_code == 200, name
        assert staff.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200, name
        assert staff.get(reverse(f"{name}_add")).status_code in {200, 403}, name


def test_the_sidebar_shows_what_is_registered_and_allowed_and_nothing_else() -> None:
    request = RequestFactory().get("/ops/")
    request.user = make_user(is_staff=True, is_superuser=True)
    groups = navigation(ops_site, groups=OPS_GROUPS, request=request)
    links = [item["link"] for group in groups for item in group["items"]]
    assert len(links) == len(set(links)) == len(ops_site._registry) + 1

    request.user = make_user(is_staff=True)
    allowed = navigation(ops_site, groups=OPS_GROUPS, request=request)
    assert [item["link"] for group in allowed for item in group["items"]] == [reverse("ops:index")]


def test_the_ribbon_says_that_money_is_play_money_only_in_the_sandbox() -> None:
    request = RequestFactory().get("/ops/")
    with override_settings(PAYCORE_SANDBOX_MODE=True):
        ribbon = environment_ribbon(request)
        assert ribbon is not None
        assert ribbon[1] == "warning"
    with override_settings(PAYCORE_SANDBOX_MODE=False):
        assert environment_ribbon(request) is None


def test_the_overview_shows_the_numbers_that_apps_bring(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_providers, ops_site.name, list(_providers.get(ops_site.name, [])))
    chart = Chart(title="Two weeks", labels=["Mon", "Tue"], series=[Series(title="Paid", values=[3, 5])])
    register_dashboard(
        ops_site, lambda request: Dashboard(cards=[Card(title="Paid <today>", value="$12.34")], charts=[chart])
    )

    page = staff.get(reverse("ops:index")).content.decode()

    assert "Paid &lt;today&gt;" in page
    assert "$12.34" in page
    assert "&quot;data&quot;: [3, 5]" in page


def test_a_visitor_chooses_the_language(staff: Client) -> None:
    index = reverse("ops:index")
    assert staff.get(reverse("ops:language")).status_code == 405

    staff.post(reverse("ops:language"), {"language": "zh-hans", "next": index})

    assert 'lang="zh-hans"' in staff.get(index).content.decode()


def test_staff_give_a_quarantined_message_new_attempts(staff: Client) -> None:
    event = EventRecord.objects.create(name="x", object_id="x_1", sequence=1, payload={})
    bad = OutboxMessage.objects.create(event=event, handler="a", status="quarantined", attempts=5, next_attempt_at=None)
    done = OutboxMessage.objects.create(event=event, handler="b", status="done", attempts=1, next_attempt_at=None)

    staff.post(
        reverse("ops:paycore_outboxmessage_changelist"),
        {"action": "requeue", "_selected_action": [bad.id, done.id]},
    )

    bad.refresh_from_db()
    done.refresh_from_db()
    assert (bad.status, bad.attempts) == ("pending", 0)
    assert (done.status, done.attempts) == ("done", 1)


def test_staff_without_the_permission_requeue_nothing(client: Client) -> None:
    client.force_login(make_user(is_staff=True))
    event = EventRecord.objects.create(name="x", object_id="x_1", sequence=1, payload={})
    bad = OutboxMessage.objects.create(event=event, handler="a", status="quarantined", attempts=5, next_attempt_at=None)

    response = client.post(
        reverse("ops:paycore_outboxmessage_changelist"), {"action": "requeue", "_selected_action": [bad.id]}
    )

    assert response.status_code == 403
    bad.refresh_from_db()
    assert bad.status == "quarantined"


def test_the_two_consoles_look_different_and_ask_nothing_of_other_hosts(staff: Client) -> None:
    page = staff.get(reverse("ops:index")).content.decode()

    assert "//cdn" not in page
    assert 'src="http' not in page
    assert ops_site.settings_name != merchant_site.settings_name
