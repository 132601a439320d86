"""The page on which staff do something to one subscription or to a whole list: fill in, look, confirm."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action as unfold_action
from unfold.enums import ActionVariant

from memberships.actions.deeds import Kind, preview_lines
from memberships.actions.services import BULK, MOST_AT_ONCE, Preview, Wish, ask, fingerprint_of, preview
from memberships.admin.deed_forms import FORMS, DeedForm
from memberships.models import MemberAction, Subscription
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.money import Money
from paycore.sites.columns import money
from paycore.sites.pages import Panel
from payments.admin.pages import MoneyPage
from riskcontrol.admin.own_pages import console_page

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

F = TypeVar("F", bound=Callable[..., Any])
_SHOWN = 20


def opens_page(*, title: "StrOrPromise", icon: str, variant: ActionVariant = ActionVariant.DEFAULT) -> Callable[[F], F]:
    """A button of a row's page that leads to a page of its own, for who may operate."""
    decorate = unfold_action(description=title, permissions=["operate"], icon=icon, variant=variant)
    return cast("Callable[[F], F]", decorate)


class DeedPages(MoneyPage):
    """``…/deed/<kind>/?<filters>``: the filters and the search of the list say whom it is about.

    What is done is what was looked at: other members or other terms are shown first."""

    def get_urls(self) -> list[URLPattern]:
        own = path("deed/<str:kind>/", self.admin_site.admin_view(self.deed_view), name="memberships_subscription_deed")
        return [own, *super().get_urls()]

    def deed_address(self, kind: str, *ids: str) -> str:
        return f"{reverse('ops:memberships_subscription_deed', args=[kind])}?id__in={','.join(ids)}"

    @admin.action(description=_("Extend"), permissions=["operate"])
    def extend_selected(self, request: HttpRequest, rows: "QuerySet[Subscription]") -> HttpResponse:
        return self._go(Kind.EXTEND, rows)

    @admin.action(description=_("Cancel at the end of the period"), permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, rows: "QuerySet[Subscription]") -> HttpResponse:
        return self._go(Kind.CANCEL_AT_END, rows)

    @admin.action(description=_("Move to another price with the next period"), permissions=["operate"])
    def move_selected(self, request: HttpRequest, rows: "QuerySet[Subscription]") -> HttpResponse:
        return self._go(Kind.MOVE_TO_PRICE, rows)

    def _go(self, kind: str, rows: "QuerySet[Subscription]") -> HttpResponse:
        return HttpResponseRedirect(self.deed_address(kind, *rows.values_list("pk", flat=True)[: self.list_per_page]))

    def deed_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if kind not in FORMS:
            raise Http404
        ids = self._found(request)
        refusal = self._too_many(kind, ids)
        if refusal:
            self.message_user(request, refusal, messages.ERROR)
            return HttpResponseRedirect(self.list_address())
        shown = list(Subscription.objects.filter(id__in=ids[:_SHOWN]).select_related("user", "plan", "price"))
        form = FORMS[kind](request.POST or None, subscriptions=shown)
        looked: Preview | None = None
        seen = ""
        if form.is_valid():
            wish = Wish(kind, form.cleaned_data["reason"], ids, form.terms())
            seen = fingerprint_of(kind, wish.terms, wish.reason, ids)
            try:
                looked = preview(wish)
                if "confirmed" in request.POST and request.POST.get("seen") == seen:
                    return self._done(request, ask(wish, by=str(request.user.pk)))
            except PaycoreError as refused:
                looked = None
                form.add_error(None, self.refusal_text(refused))
        if looked is not None and "confirmed" in request.POST:
            form.add_error(None, gettext("This is not what you looked at. Look again before it is done."))
        return self._page(request, kind, form=form, ids=ids, shown=shown, looked=looked, seen=seen)

    def _found(self, request: HttpRequest) -> list[str]:
        """One more than the most, when there are more."""
        try:
            found = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters as error:
            raise Http404 from error
        return list(found.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])

    def _too_many(self, kind: str, ids: list[str]) -> str:
        if not ids:
            return gettext("No subscription was found.")
        if len(ids) > MOST_AT_ONCE:
            return gettext("At most %(most)d subscriptions at once: narrow the filters.") % {"most": MOST_AT_ONCE}
        if len(ids) > 1 and kind not in BULK:
            return gettext("This is done to one subscription at a time.")
        return ""

    def _done(self, request: HttpRequest, action: MemberAction) -> HttpResponse:
        texts = {
            MemberAction.Status.WAITING: gettext("It waits for a second person."),
            MemberAction.Status.RUNNING: gettext("It is under way: this page shows how far it is."),
            MemberAction.Status.DONE: gettext("Done."),
        }
        self.message_user(request, texts[MemberAction.Status(action.status)], messages.SUCCESS)
        self.log_change(request, action, f"{action.get_kind_display()}: {action.reason}")
        return HttpResponseRedirect(reverse("ops:memberships_memberaction_change", args=[quote(action.pk)]))

    def _page(
        self,
        request: HttpRequest,
        kind: str,
        *,
        form: DeedForm,
        ids: list[str],
        shown: list[Subscription],
        looked: Preview | None,
        seen: str,
    ) -> HttpResponse:
        panels = [_members_panel(shown, count=len(ids))]
        if looked is not None and len(ids) == 1:
            now = database_now(subject=shown[0].user_id)
            panels += [_lines_panel(lines) for lines in [preview_lines(kind, shown[0], form.terms(), now=now)] if lines]
        context: dict[str, Any] = {
            "title": Kind(kind).label,
            "form": form,
            "panels": panels,
            "summary": _summary(looked) if looked else [],
            "is_looked_at": looked is not None,
            "seen": seen,
            "address": request.get_full_path(),
            "cancel_address": self.page_address(shown[0]) if len(ids) == 1 else self.list_address(),
        }
        return console_page(self, request, "admin/memberships/deed.html", context)


def _summary(looked: Preview) -> list[str]:
    """How many, what money, who must agree."""
    said = [ngettext("%(count)d subscription.", "%(count)d subscriptions.", looked.count) % {"count": looked.count}]
    for currency, minor in sorted(looked.amounts.items()):
        said.append(gettext("Money that it is about: %(amount)s.") % {"amount": money(minor, currency)})
    if looked.needs_second_person:
        said.append(gettext("A second person must agree before anything happens."))
    return said


def _members_panel(shown: list[Subscription], *, count: int) -> Panel:
    language = get_language() or "en"
    rows = [
        (
            row.id,
            str(row.user),
            row.get_status_display(),
            row.plan.name(language),
            row.price.amount.format(language) if row.price else "–",
        )
        for row in shown
    ]
    left = count - len(rows)
    note = ngettext("and %(count)d more", "and %(count)d more", left) % {"count": left} if left else ""
    headers = (_("Subscription"), _("Member"), _("Status"), _("Plan"), _("Price"))
    return Panel(title=_("Subscriptions"), headers=headers, rows=rows, numbers={4}, note=note)


def _lines_panel(lines: list[tuple[str, Money]]) -> Panel:
    language = get_language() or "en"
    rows = [(text, amount.format(language)) for text, amount in lines]
    return Panel(title=_("What would be charged"), headers=(_("Line"), _("Amount")), rows=rows, numbers={1})
