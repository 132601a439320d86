"""The merchant console, walked whole with another merchant's ids: nothing of theirs is shown, not one row changes.

The walk finds admins, addresses, actions, filters and inlines by itself. A model without a recipe in
``leak_recipes.py``, or an address of a kind that is not known here, fails.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote
from django.db import transaction
from django.db.models import CharField, ForeignKey, Model
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse

from merchants.console import active_membership
from merchants.models import MerchantMember
from paycore.sites import merchant_site
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing import connections
from payments.routing.models import GatewayAccount
from tests.api.row_counts import no_row_changes
from tests.merchants.factories import make_member, make_merchant
from tests.merchants.leak_recipes import EVERYTHING, MARK, RECIPES, SECOND_IDS
from tests.phone import mark_both_steps

pytestmark = pytest.mark.django_db

MODELS = sorted(merchant_site._registry, key=lambda model: model._meta.label_lower)
NAMES = [model._meta.label_lower for model in MODELS]
# Addresses of the site itself. None takes an id but the two that the tests below try.
SITE_ADDRESSES = {
    "search", "language", "second_step", "enrol", "security", "switch", "index", "login", "logout", "password_change",
    "password_change_done", "autocomplete", "jsi18n", "app_list",
}  # fmt: skip
GONE = {302, 400, 403, 404, 405}


class World:
    """A visitor with one row of each model, and another merchant with the same."""

    def __init__(self) -> None:
        self.own = make_merchant(name="Own shop", refund_review_above_minor=0)
        self.foreign = make_merchant(name=f"{MARK} shop", legal_name=f"{MARK} Ltd", refund_review_above_minor=0)
        self.visitor = make_member(merchant=self.own, role="owner")
        make_member(merchant=self.foreign, role="owner")
        self.mine = {label: RECIPES[label](self.own) for label in NAMES if label in RECIPES}
        self.theirs = {label: RECIPES[label](self.foreign) for label in NAMES if label in RECIPES}
        self.client = Client()
        self.client.force_login(self.visitor.user)
        mark_both_steps(self.client, self.visitor.user)

    def theirs_of(self, model: type[Model]) -> Any:
        return self.theirs[model._meta.label_lower]

    def foreign_keys(self, model: type[Model]) -> set[Any]:
        """Primary keys of every row of ``model`` that is not the visitor's."""
        own = set(admin_of(model).get_queryset(self.request()).values_list("pk", flat=True))
        return set(model._base_manager.values_list("pk", flat=True)) - own

    def request(self) -> Any:
        request = RequestFactory().get("/merchant/")
        request.user = self.visitor.user
        return request


@pytest.fixture(scope="module")
def _built(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Built once, for it takes a second; every test's changes are taken back."""
    transport = SandboxTransport(SandboxProvider(secrets=["leaks"], base_url="http://sandbox.test"))
    with django_db_blocker.unblock(), _taken_back():
        GatewayAccount.objects.create(
            name="Sandbox",
            gateway="sandbox",
            base_url="inprocess://sandbox",
            credentials={"secret": "leaks"},
            methods=["card"],
        )
        connections.IN_PROCESS["sandbox"] = transport
        yield World()
        connections.IN_PROCESS.pop("sandbox", None)


@pytest.fixture
def world(_built: World, db: None) -> World:
    return _built


@contextmanager
def _taken_back() -> Iterator[None]:
    block = transaction.atomic()
    block._from_testcase = True  # as Django's own TestCase says that this is no transaction of the program
    with block:
        yield
        transaction.set_rollback(True)


def admin_of(model: type[Model]) -> "ModelAdmin[Any]":
    return merchant_site._registry[model]


def address(model: type[Model], page: str, *arguments: Any) -> str:
    return reverse(f"merchant:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def patterns_of(model: type[Model]) -> Iterator[tuple[str, list[str]]]:
    """(name, ids) of every address of an admin; its old addresses without a name lead on to "change"."""
    for pattern in admin_of(model).get_urls():
        assert isinstance(pattern, URLPattern)
        if pattern.name is not None:
            yield f"merchant:{pattern.name}", list(pattern.pattern.converters)


def addresses_with_id(model: type[Model], *, theirs: Any, mine: Any) -> Iterator[str]:
    """Every address that takes a row's id: pages, dialogs, what a row or a page offers. Of two ids at least one is
    foreign."""
    for name, ids in patterns_of(model):
        if not ids:
            continue
        assert ids[0] == "object_id", f"no recipe for {name}"
        if len(ids) == 1:
            yield reverse(name, kwargs={"object_id": quote(theirs.pk)})
            continue
        second = SECOND_IDS[ids[1]]
        for row, other in ((theirs, theirs), (theirs, mine), (mine, theirs)):
            yield reverse(name, kwargs={"object_id": quote(row.pk), ids[1]: second(other)})


def rows_on(response: Any) -> set[Any]:
    """Primary keys in a list page. A refused lookup shows none; a visitor who is not inside would prove nothing."""
    if response.status_code == 200:
        return {row.pk for row in response.context["cl"].result_list}
    assert response.status_code == 400 or "login" not in response["Location"]
    return set()


def shows_nothing_foreign(response: Any) -> bool:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return MARK.encode() not in body.lower()


def test_every_model_of_the_console_has_a_recipe() -> None:
    assert set(NAMES) == set(RECIPES)


def test_every_address_of_the_console_is_known() -> None:
    """A page that an admin did not bring must be walked here by name before it is served."""
    of_admins = {
        pattern.name for model in MODELS for pattern in admin_of(model).get_urls() if isinstance(pattern, URLPattern)
    }
    of_site = {pattern.name for pattern in merchant_site.get_urls() if isinstance(pattern, URLPattern)}
    assert of_site - of_admins - {None} == SITE_ADDRESSES


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_own_rows_are_listed_and_foreign_ones_are_not(world: World, model: type[Model]) -> None:
    mine = world.mine[model._meta.label_lower]
    response = world.client.get(address(model, "changelist"))

    if response.status_code == 302:  # where there is only one row, its list leads to it
        assert response["Location"] == address(model, "change", quote(mine.pk))
        return
    assert mine.pk in rows_on(response)
    assert not rows_on(response) & world.foreign_keys(model)
    assert shows_nothing_foreign(response)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_pages_files_and_dialogs_without_an_id_hold_nothing_foreign(world: World, model: type[Model]) -> None:
    for name, ids in patterns_of(model):
        if not ids:
            for headers in ({}, {"HX-Request": "true"}):
                assert shows_nothing_foreign(world.client.get(reverse(name), headers=headers)), name


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_searching_finds_nothing_foreign(world: World, model: type[Model]) -> None:
    theirs = world.theirs_of(model)
    texts = {getattr(theirs, field.attname) for field in model._meta.concrete_fields if isinstance(field, CharField)}
    ids = {str(row.pk) for row in world.theirs.values()}
    for term in {MARK, MARK.upper(), "%", *filter(None, texts), *ids}:
        response = world.client.get(address(model, "changelist"), {"q": term})
        assert not rows_on(response) & world.foreign_keys(model), term


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_filters_offer_and_find_nothing_foreign(world: World, model: type[Model]) -> None:
    response = world.client.get(address(model, "changelist"))
    if response.status_code != 200:
        return
    changes = response.context["cl"]
    for spec in changes.filter_specs:
        offered = " ".join(str(choice.get("display", "")) for choice in spec.choices(changes)).lower()
        assert MARK not in offered, spec.title
        assert not any(str(row.pk) in offered for row in world.theirs.values()), spec.title
        for name in spec.expected_parameters():
            for row in (*list(world.theirs.values())[:3], world.theirs_of(model)):
                found = rows_on(world.client.get(address(model, "changelist"), {name or "x": str(row.pk)}))
                assert not found & world.foreign_keys(model), spec.title


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_made_up_lookups_and_orders_reveal_nothing(world: World, model: type[Model]) -> None:
    for name, value in _lookups(model, world):
        response = world.client.get(address(model, "changelist"), {name: value})
        assert response.status_code in {200, 302, 400}, name
        assert not rows_on(response) & world.foreign_keys(model), name
    for value in ("1", "-1", "1.2.3", "99", "-99", "x", "merchant__name", "0" * 50):
        assert not rows_on(world.client.get(address(model, "changelist"), {"o": value})) & world.foreign_keys(model)


def _lookups(model: type[Model], world: World) -> Iterator[tuple[str, str]]:
    theirs = world.theirs_of(model)
    lookup = admin_of(model).merchant_lookup  # type: ignore[attr-defined]
    for path in {lookup, f"{lookup}__id", f"{lookup}__in", "merchant", "merchant_id", "merchant__id"}:
        yield path, str(world.foreign.pk)
    for field in model._meta.concrete_fields:
        yield field.name, str(getattr(theirs, field.attname))
        yield f"{field.name}__isnull", "0"
    yield "pk__in", str(theirs.pk)
    yield "all", ""


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_no_lookup_spells_out_a_secret_of_a_person(world: World, model: type[Model]) -> None:
    """Or a filter on ``user__password__startswith`` would answer yes or no letter by letter."""
    for field in model._meta.concrete_fields:
        if isinstance(field, ForeignKey):
            for secret in ("password", "secret_hash", "credentials", "members__user__password", "user__password"):
                response = world.client.get(address(model, "changelist"), {f"{field.name}__{secret}__startswith": "a"})
                assert response.status_code in {302, 400, 403}, (field.name, secret)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_a_foreign_rows_pages_dialogs_and_deeds_are_not_there(world: World, model: type[Model]) -> None:
    addresses = list(addresses_with_id(model, theirs=world.theirs_of(model), mine=world.mine[model._meta.label_lower]))
    assert len(addresses) >= 3
    for place in addresses:
        for headers in ({}, {"HX-Request": "true"}):
            with no_row_changes():
                asked = world.client.get(place, headers=headers)
                sent = world.client.post(place, EVERYTHING, headers=headers)
            for response in (asked, sent):
                assert response.status_code in GONE, place
                assert shows_nothing_foreign(response), place


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_no_action_reaches_a_foreign_row(world: World, model: type[Model]) -> None:
    theirs = world.theirs_of(model)
    actions = admin_of(model).get_actions(world.request())
    for action in {*actions, "delete_selected", "made_up"}:
        for more in ({}, {"index": "0", "_save": "1", "form-0-id": str(theirs.pk)}):
            with no_row_changes():
                response = world.client.post(
                    address(model, "changelist"),
                    {**EVERYTHING, **more, "action": action, "_selected_action": [str(theirs.pk)]},
                )
            assert shows_nothing_foreign(response), action


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_a_new_row_never_belongs_or_points_to_another_merchant(world: World, model: type[Model]) -> None:
    place = address(model, "add")
    assert shows_nothing_foreign(world.client.get(place))
    foreign, known = world.foreign_keys(model), set(model._base_manager.values_list("pk", flat=True))
    relations = [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]
    ids = {field.name: str(_foreign_id(world, field)) for field in relations}
    assert shows_nothing_foreign(world.client.post(place, {**EVERYTHING, **ids, "merchant": world.foreign.pk}))

    assert world.foreign_keys(model) == foreign
    for row in model._base_manager.exclude(pk__in=known):
        for field in relations:
            if field.remote_field.model in merchant_site._registry:
                assert getattr(row, field.attname) not in world.foreign_keys(field.remote_field.model), field.name


def _foreign_id(world: World, field: "ForeignKey[Any, Any]") -> Any:
    theirs = world.theirs.get(field.remote_field.model._meta.label_lower)
    return theirs.pk if theirs is not None else MerchantMember.objects.filter(merchant=world.foreign)[0].user_id


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_a_foreign_row_is_not_smuggled_in_through_a_row_below_an_own_one(world: World, model: type[Model]) -> None:
    mine = world.mine[model._meta.label_lower]
    for inline in admin_of(model).get_inline_instances(world.request(), mine):
        prefix = inline.get_formset(world.request(), mine).get_default_prefix()
        victim = world.theirs.get(inline.model._meta.label_lower)
        assert victim is not None, f"no recipe for the rows of {inline.model._meta.label}"
        rows = {f"{prefix}-TOTAL_FORMS": "1", f"{prefix}-INITIAL_FORMS": "1", f"{prefix}-0-id": str(victim.pk)}
        with no_row_changes(but=frozenset({mine._meta.db_table, f"{mine._meta.db_table}event"})):
            for more in ({}, {f"{prefix}-0-DELETE": "on"}):
                world.client.post(address(model, "change", quote(mine.pk)), {**EVERYTHING, **rows, **more})


def test_autocomplete_offers_nothing_foreign(world: World) -> None:
    for model in MODELS:
        for field in model._meta.get_fields():
            asked = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field.name}
            response = world.client.get(reverse("merchant:autocomplete"), {**asked, "term": ""})
            assert response.status_code in {200, 403, 404}
            assert shows_nothing_foreign(response), asked


@pytest.mark.parametrize("more", [{}, {"extended": "1"}])
def test_the_search_over_all_pages_finds_nothing_foreign(world: World, more: dict[str, str]) -> None:
    for row in world.theirs.values():
        for term in (MARK, str(row.pk)):
            response = world.client.get(reverse("merchant:search"), {"s": term, **more})
            assert "/change/" not in response.content.decode(), term


def test_overview_and_app_pages_show_nothing_foreign(world: World) -> None:
    for label in {"index", *(model._meta.app_label for model in MODELS)}:
        place = reverse("merchant:index") if label == "index" else reverse("merchant:app_list", args=[label])
        response = world.client.get(place)
        assert response.status_code == 200
        assert shows_nothing_foreign(response), label


def test_the_switcher_and_the_security_page_take_no_foreign_id(world: World) -> None:
    with no_row_changes():
        world.client.post(reverse("merchant:switch"), {"merchant": world.foreign.pk})
        assert shows_nothing_foreign(world.client.get(reverse("merchant:index")))
        assert shows_nothing_foreign(world.client.get(reverse("merchant:security")))


def test_the_walk_would_notice_an_admin_that_is_not_scoped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector's power: without the wall, the same look finds the foreign row."""
    admin = type(admin_of(MerchantMember))
    monkeypatch.setattr(admin, "get_queryset", lambda self, request: self.model._default_manager.all())

    response = world.client.get(address(MerchantMember, "changelist"))

    assert world.theirs_of(MerchantMember).pk in rows_on(response)
    assert active_membership(world.request()) == world.visitor
