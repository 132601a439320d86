"""Tiers, features and plans, for staff. What members bought is never changed from here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant

from memberships.admin.catalogue_forms import VersionForm
from memberships.catalogue.freshness import touch_everybody
from memberships.catalogue.known import forget_catalogue
from memberships.catalogue.services import archive_plan, publish_version, restore_plan
from memberships.models import Feature, Plan, PlanVersion, Price, Tier
from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.columns import money, page_link, tag
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, Panel, moment


class CataloguePage(FactsPage):
    """Nothing is deleted; what is saved is known to every process at once, and to every member's rights."""

    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        touch_everybody()
        transaction.on_commit(forget_catalogue)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Tier, site=ops_site)
class TierAdmin(CataloguePage):
    list_display = ("name_en", "name_zh", "code", "rank", "plans_in_it")
    list_filter = ("rank",)
    search_fields = ("=id", "code", "name_en", "name_zh")
    search_help_text = _("Id, code or name")
    ordering = ("rank",)
    fields = (("name_en", "name_zh"), ("code", "rank"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Tier]":
        rows: QuerySet[Tier] = super().get_queryset(request)
        return rows.prefetch_related("plans")

    @admin.display(description=_("Plans"))
    def plans_in_it(self, tier: Tier) -> str:
        return ", ".join(plan.name(get_language() or "en") for plan in tier.plans.all()) or "–"

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()


@admin.register(Feature, site=ops_site)
class FeatureAdmin(CataloguePage):
    """A feature that members may have counters of keeps its code and kind."""

    list_display = ("code", "name_en", "name_zh", "kind", "reset", "is_active")
    list_filter = (("kind", ChoicesDropdownFilter), ("reset", ChoicesDropdownFilter), "is_active")
    search_fields = ("=id", "code", "name_en", "name_zh")
    search_help_text = _("Id, code or name")
    ordering = ("code",)
    fields = (("name_en", "name_zh"), ("code", "kind"), ("reset", "is_active"))

    def get_readonly_fields(self, request: HttpRequest, obj: Feature | None = None) -> tuple[str, ...]:
        return ("code", "kind") if obj else ()


@admin.register(Plan, site=ops_site)
class PlanAdmin(CataloguePage):
    list_display = ("name_en", "name_zh", "code", "tier", "standing", "newest_version", "prices_on_sale")
    list_select_related = ("tier",)
    list_filter = (("tier", RelatedDropdownFilter), "is_active")
    search_fields = ("=id", "code", "name_en", "name_zh", "tier__code")
    search_help_text = _("Id, code or name, or the tier's code")
    ordering = ("tier__rank", "code")
    actions_detail = ("publish", "sell", "archive", "restore")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Plan]":
        rows: QuerySet[Plan] = super().get_queryset(request)
        on_sale = Price.objects.filter(is_active=True).order_by("currency", "id")
        newest = PlanVersion.objects.order_by("plan_id", "-number").distinct("plan_id")
        return rows.prefetch_related(
            models.Prefetch("prices", queryset=on_sale, to_attr="on_sale"),
            models.Prefetch("versions", queryset=newest, to_attr="newest"),
        )

    @admin.display(description=_("Status"), ordering="is_active")
    def standing(self, plan: Plan) -> SafeString:
        if plan.archived_at is not None:
            return tag(_("Archived"), "default")
        if not self._newest(plan):
            return tag(_("No version yet"), "warning")
        return tag(_("On sale"), "success") if plan.is_active else tag(_("Not on sale"), "default")

    @admin.display(description=_("Version"))
    def newest_version(self, plan: Plan) -> int | str:
        newest = self._newest(plan)
        return newest.number if newest else "–"

    @admin.display(description=_("Prices"))
    def prices_on_sale(self, plan: Plan) -> str:
        prices: list[Price] = getattr(plan, "on_sale", [])
        return ", ".join(price_text(price) for price in prices) or "–"

    @staticmethod
    def _newest(plan: Plan) -> PlanVersion | None:
        found: list[PlanVersion] = getattr(plan, "newest", [])
        return found[0] if found else None

    def get_fieldsets(self, request: HttpRequest, obj: Plan | None = None) -> Any:
        names = ("name_en", "name_zh")
        if obj is None:
            note = _("What it gives is asked on the next page; prices are added after it.")
            return ((None, {"fields": (names, ("tier", "code")), "description": note}),)
        return ((None, {"fields": (names, ("tier", "code"), ("standing", "archived_at"))}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        return ("tier", "code", "standing", "archived_at") if obj else ()

    def response_add(self, request: HttpRequest, obj: Plan, post_url_continue: str | None = None) -> HttpResponse:
        return HttpResponseRedirect(self._publish_address(obj))

    def panels(self, request: HttpRequest, row: Plan) -> Sequence[Panel]:
        return (_versions_panel(row), _prices_panel(row))

    # Deeds

    def fitting_actions(self, row: Plan) -> Collection[str]:
        return {"restore", "publish"} if row.archived_at else {"publish", "sell", "archive"}

    def has_sell_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("memberships.change_plan"))

    def has_price_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("memberships.add_price"))

    @action(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("Publish a new version"), permissions=["sell"], icon="publish", variant=ActionVariant.PRIMARY
    )
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self._publish_address(self.require_row(request, object_id)))

    @action(description=_("Add a price"), permissions=["price"], icon="add")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def sell(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return HttpResponseRedirect(f"{reverse('ops:memberships_price_add')}?{urlencode({'plan': row.pk})}")

    @asks_first(
        title=_("Archive"),
        text=_("Nobody can buy it any more. Its members keep it and go on renewing."),
        submit=_("Archive"),
        permission="sell",
        icon="archive",
        variant=ActionVariant.DANGER,
    )
    def archive(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(request, row, lambda: archive_plan(row.id), done=lambda _n: gettext("It is archived."))

    @asks_first(
        title=_("Restore"),
        text=_("It is on sale again, at the prices that were on sale."),
        submit=_("Restore"),
        permission="sell",
        icon="unarchive",
    )
    def restore(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: restore_plan(row.id), done=lambda _n: gettext("It is on sale again.")
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.publish_page)
        return [path("<path:object_id>/publish/", view, name="memberships_plan_publish"), *super().get_urls()]

    def publish_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A table of the features, as the newest version has them."""
        plan = self.get_object(request, unquote(object_id))
        if plan is None:
            raise Http404
        if not self.has_sell_permission(request):
            raise PermissionDenied
        newest = plan.versions.order_by("-number").first()
        form = VersionForm(request.POST if request.method == "POST" else None, newest=newest)
        if form.is_valid() and self._publish(request, plan, form):
            return HttpResponseRedirect(self.page_address(plan))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("A new version of %(plan)s") % {"plan": plan.name(get_language() or "en")},
            "opts": self.opts,
            "media": self.media + form.media,
            "form": form,
            "back": self.page_address(plan),
        }
        return TemplateResponse(request, "admin/memberships/publish_version.html", context)

    def _publish(self, request: HttpRequest, plan: Plan, form: VersionForm) -> bool:
        try:
            version = publish_version(plan.id, form.terms)
        except PaycoreError as refusal:
            form.add_error(None, self.refusal_text(refusal))
            return False
        text = gettext("Version %(number)d is published.") % {"number": version.number}
        self.log_change(request, plan, text)
        self.message_user(request, text, messages.SUCCESS)
        return True

    def _publish_address(self, plan: Plan) -> str:
        return reverse("ops:memberships_plan_publish", args=[quote(plan.pk)])


def price_text(price: Price) -> str:
    """``$19.99 / month``, ``$49.00 / 3 months``."""
    many = f"{price.interval_count} × " if price.interval_count > 1 else ""
    return f"{money(price.amount_minor, price.currency)} / {many}{price.get_interval_display()}"


def standing_of(price: Price) -> SafeString:
    return tag(_("On sale"), "success") if price.is_active else tag(_("Archived"), "default")


def _versions_panel(plan: Plan) -> Panel:
    kinds = dict(Feature.objects.values_list("code", "kind"))
    rows = [
        (
            version.number,
            _features_text(version, kinds),
            _seats_text(version),
            moment(version.published_at),
        )
        for version in plan.versions.order_by("-number")[:50]
    ]
    headers = (_("Version"), _("What it gives"), _("Seats"), _("Published"))
    note = _("Who paid for a period under an older version keeps, until it ends, the better of both.")
    return Panel(title=_("Versions"), headers=headers, rows=rows, numbers={0}, note=note)


def _seats_text(version: PlanVersion) -> str:
    included, most = version.seats_included, version.seats_most
    return str(included) if included == most else f"{included} – {most}"


def _features_text(version: PlanVersion, kinds: Mapping[str, str]) -> str:
    unlimited = gettext("without limit")
    parts = [
        code if kinds.get(code) == Feature.Kind.SWITCH else f"{code}: {unlimited if limit is None else limit}"
        for code, limit in sorted(version.features.items())
    ]
    return ", ".join(parts) or "–"


def _prices_panel(plan: Plan) -> Panel:
    rows = [
        (
            page_link("ops", "memberships_price", price.id, text=price_text(price)),
            standing_of(price),
            price.trial_days,
            moment(price.created_at),
        )
        for price in plan.prices.order_by("-is_active", "currency", "-id")[:100]
    ]
    headers = (_("Price"), _("Status"), _("Trial (days)"), _("Created"))
    return Panel(title=_("Prices"), headers=headers, rows=rows, numbers={2}, empty=_("No price: it cannot be bought."))
