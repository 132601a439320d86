"""The field for a promotion code on the hosted page. Both forms work without scripts, and both may be sent twice."""

from django.http import HttpRequest, HttpResponse

from paycore.errors import PaycoreError
from payments.checkout.attempts import count_code
from payments.checkout.presentation import refusal_text
from payments.checkout.services import add_code_to_session, remove_code_from_session
from payments.checkout.views import SessionView
from payments.promotions.codes import MOST_TYPED


class AddCodeView(SessionView):
    def post(self, request: HttpRequest) -> HttpResponse:
        typed = request.POST.get("code", "")
        try:
            count_code(self.session)
            add_code_to_session(self.session, typed)
        except PaycoreError as refusal:
            return self.refuse(request, refusal, typed=typed)
        return self.back_to_page()

    def refuse(self, request: HttpRequest, refusal: PaycoreError, *, typed: str) -> HttpResponse:
        """Beside the field, with what was typed; above the page where the field is gone by now."""
        self.session.order.refresh_from_db()
        more = {"code_refusal": refusal_text(refusal), "typed_code": typed[:MOST_TYPED]}
        return self.show(request, refusal=refusal, more=more)


class RemoveCodeView(SessionView):
    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            remove_code_from_session(self.session)
        except PaycoreError as refusal:
            self.session.order.refresh_from_db()
            return self.show(request, refusal=refusal)
        return self.back_to_page()
