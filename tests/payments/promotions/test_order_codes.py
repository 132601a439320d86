"""A code on an open order: by the API, and in the field of the hosted page."""

import re
from typing import Any

import pytest
from django.db import Error, transaction
from django.test import Client

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.models import EventRecord
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session
from payments.gateways.contract import Outcome, PaymentResult
from payments.ledger.queries import balance_of
from payments.orders import payment_views
from payments.orders.charging import record_payment_result
from payments.orders.discounts import Customer, add_code
from payments.orders.models import Evidence, Order, Payment
from payments.orders.services import OrderDraft, OrderLine, cancel_order, create_order
from payments.promotions.managing import CodeDraft, pause_promotion
from payments.promotions.managing import add_code as new_code
from payments.promotions.models import Promotion, Redemption
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.payments.promotions.factories import make_promotion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("account")]


@pytest.fixture
def other_merchant(db: None) -> Merchant:
    return Merchant.objects.create(name="Other Shop", country="US", status="approved")


def make_order(merchant: Merchant, minor: int = 2_000, currency: str = "USD", **more: Any) -> Order:
    lines = [OrderLine("A thing", minor)]
    draft = {"merchant_id": merchant.id, "amount": Money(minor, currency), "description": "A thing", "lines": lines}
    return create_order(OrderDraft(**{**draft, "takes_codes": True, **more}))


def make_session(merchant: Merchant, *, order: Order | None = None, **more: Any) -> CheckoutSession:
    draft = SessionDraft(**{"created_by": "test", "allows_codes": True, **more})
    return create_session(order or make_order(merchant), draft)


def put(session: CheckoutSession, code: str) -> Any:
    return Client().post(f"/pay/{session.id}/code", {"code": code})


def take_off(session: CheckoutSession) -> Any:
    return Client().post(f"/pay/{session.id}/code/remove")


def page_of(session: CheckoutSession, **headers: str) -> str:
    return shown(Client().get(f"/pay/{session.id}", headers=headers))


def shown(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def total_of(order: Order) -> tuple[int, int, str]:
    order.refresh_from_db()
    return order.amount_minor, order.discount_minor, order.promotion_codes


def used() -> list[int]:
    return list(Promotion.objects.order_by("id").values_list("used", flat=True))


def test_the_page_takes_a_code_shows_what_it_gives_and_the_payer_pays_that(merchant: Merchant) -> None:
    make_promotion(merchant)
    session = make_session(merchant)
    assert "Add a promotion code" in page_of(session)
    response = put(session, " welcome 20 ")
    assert (response.status_code, response["Location"]) == (303, f"/pay/{session.id}")
    page = page_of(session)
    for expected in ("$16.00", "$4.00", "WELCOME20"):
        assert expected in page
    assert "Add a promotion code" not in page
    Client().post(f"/pay/{session.id}", {"method": "card", "key": "one", "amount_minor": "1600"})
    payment = Payment.objects.get()
    assert (payment.status, payment.amount_minor) == ("succeeded", 1_600)
    run_background()
    row = Redemption.objects.get()
    assert (row.subject_id, row.status, row.amount_minor, used()) == (session.order_id, "used", 400, [1])
    assert "Add a promotion code" not in page_of(session)
    assert_books_are_whole()


def test_a_code_is_taken_off_again_and_its_slot_is_free(merchant: Merchant) -> None:
    make_promotion(merchant, max_uses=1)
    session = make_session(merchant)
    put(session, "WELCOME20")
    assert used() == [1]
    assert take_off(session).status_code == 303
    assert (total_of(session.order), used()) == ((2_000, 0, ""), [0])
    with no_row_changes():
        assert take_off(session).status_code == 303
    other = make_session(merchant)
    assert put(other, "WELCOME20").status_code == 303
    assert total_of(other.order) == (1_600, 400, "WELCOME20")


def test_what_was_taken_off_never_comes_back_with_the_payment(merchant: Merchant) -> None:
    """Released uses of an order are used again when it is paid late; withdrawn ones are not."""
    make_promotion(None, "OURS", funded_by="platform", applies_to="order", max_uses=9)
    make_promotion(merchant, "THEIRS")
    session = make_session(merchant)
    put(session, "OURS")
    take_off(session)
    put(session, "THEIRS")
    Client().post(f"/pay/{session.id}", {"method": "card", "key": "one"})
    run_background()
    rows = {row.code.code: (row.status, row.withdrawn_at is None) for row in Redemption.objects.select_related("code")}
    assert rows == {"OURS": ("released", False), "THEIRS": ("used", True)}
    assert balance_of("expense:promotions", currency="USD").minor == 0
    assert_books_are_whole()


def test_the_platforms_code_on_the_page_is_paid_to_the_merchant(merchant: Merchant) -> None:
    make_promotion(None, "OURS", funded_by="platform", applies_to="order")
    session = make_session(merchant)
    put(session, "OURS")
    Client().post(f"/pay/{session.id}", {"method": "card", "key": "one"})
    run_background()
    assert balance_of("expense:promotions", currency="USD").minor == 400
    assert_books_are_whole()


@pytest.mark.parametrize(
    "typed",
    ["", "NOPE", "x" * 200, "WELCOME20\x00", "WELCOME20😀", "ＷＥＬＣＯＭＥ２１", "<b>", "' OR 1=1 --", "WELCOMEı20"],
)
def test_what_is_no_code_is_refused_in_words_and_changes_nothing(merchant: Merchant, typed: str) -> None:
    make_promotion(merchant)
    session = make_session(merchant)
    with no_row_changes():
        response = put(session, typed)
    page = shown(response)
    assert response.status_code == 422
    assert "This code cannot be used" in page
    assert "<b>" not in page.partition('name="code"')[2][:200]
    assert total_of(session.order) == (2_000, 0, "")


def test_the_code_that_was_refused_stays_in_the_field(merchant: Merchant) -> None:
    page = shown(put(make_session(merchant), '"><script>x</script>'))
    assert "&quot;&gt;&lt;script&gt;" in page
    assert '<details class="code-field" open>' in page


def test_full_width_letters_and_small_ones_are_the_code(merchant: Merchant) -> None:
    make_promotion(merchant)
    session = make_session(merchant)
    assert put(session, "ｗｅｌｃｏｍｅ２０").status_code == 303
    assert total_of(session.order) == (1_600, 400, "WELCOME20")


def test_over_paused_disabled_and_others_codes_look_the_same(merchant: Merchant, other_merchant: Merchant) -> None:
    long_over = make_promotion(merchant, "PAUSED")
    pause_promotion(long_over.id)
    make_promotion(other_merchant, "OTHERS")
    fine = make_promotion(merchant, "FINE")
    new_code(fine.id, CodeDraft("EXPIRED", expires_at=database_now()))
    session = make_session(merchant)
    pages = set()
    for code in ("PAUSED", "OTHERS", "EXPIRED", "UNKNOWN"):
        with no_row_changes():
            response = put(session, code)
        assert response.status_code == 422
        text = re.search(r'id="code-refusal".*?</p>', shown(response))
        pages.add(text.group() if text else "")
    assert len(pages) == 1
    assert "" not in pages


def test_a_condition_that_is_not_met_is_said(merchant: Merchant) -> None:
    make_promotion(merchant, "BIG", least={"USD": 5_000})
    make_promotion(merchant, "EURO", kind="fixed", amounts={"EUR": 500})
    make_promotion(merchant, "MEMBER", applies_to="membership")
    session = make_session(merchant)
    for code in ("BIG", "EURO", "MEMBER"):
        with no_row_changes():
            response = put(session, code)
        assert (response.status_code, "This code is not for this purchase" in shown(response)) == (422, True)


def test_an_order_in_another_currency_takes_what_is_named_for_it(merchant: Merchant, account: Any) -> None:
    make_promotion(merchant, "OFF", kind="fixed", amounts={"USD": 500, "JPY": 300})
    order = make_order(merchant, 1_000, "JPY")
    add_code(order.id, "OFF", customer=Customer())
    assert total_of(order) == (700, 300, "OFF")


def test_nothing_is_free(merchant: Merchant) -> None:
    make_promotion(merchant, "ALL", percent_basis_points=10_000)
    session = make_session(merchant)
    with no_row_changes():
        response = put(session, "ALL")
    assert (response.status_code, "Nothing would be left to pay" in shown(response)) == (422, True)


def test_a_second_code_waits_until_the_first_is_off(merchant: Merchant) -> None:
    for code in ("ONE", "TWO"):
        make_promotion(merchant, code, stacking="with_others")
    session = make_session(merchant)
    put(session, "ONE")
    with no_row_changes():
        assert put(session, "ONE").status_code == 303  # the form sent twice
        response = put(session, "TWO")
    assert (response.status_code, "Only one code can be used" in shown(response)) == (409, True)
    take_off(session)
    put(session, "TWO")
    assert total_of(session.order)[2] == "TWO"


def test_a_page_without_the_field_takes_no_code(merchant: Merchant) -> None:
    make_promotion(merchant)
    made_with_code = make_order(merchant, promotion_codes=["WELCOME20"])
    closed_terms = make_order(merchant, takes_codes=False)
    for session in (
        make_session(merchant, allows_codes=False),
        make_session(merchant, order=made_with_code),
        make_session(merchant, order=closed_terms),
    ):
        before = total_of(session.order)
        assert "promotion-code" not in page_of(session)
        with no_row_changes():
            for response in (put(session, "WELCOME20"), take_off(session)):
                assert (response.status_code, "No code can be added or removed here" in shown(response)) == (409, True)
        assert total_of(session.order) == before


def test_while_a_payment_is_under_way_the_total_stands(merchant: Merchant) -> None:
    make_promotion(merchant)
    session = make_session(merchant)
    Client().post(f"/pay/{session.id}", {"method": "sandbox_qr", "key": "one"})
    with no_row_changes():
        response = put(session, "WELCOME20")
    assert (response.status_code, "A payment is under way" in shown(response)) == (409, True)


def test_a_failed_attempt_keeps_its_total_for_its_money_may_come_late(merchant: Merchant) -> None:
    make_promotion(merchant)
    plain, lowered = make_session(merchant), make_session(merchant)
    put(lowered, "WELCOME20")
    for session in (plain, lowered):
        declined = {"method": "card", "token": "tok_decline_card_declined", "key": "one"}
        Client().post(f"/pay/{session.id}", declined)
        assert "promotion-code" not in page_of(session)
    with no_row_changes():
        assert put(plain, "WELCOME20").status_code == 409
        assert take_off(lowered).status_code == 409
    late = PaymentResult(lowered.order.payments.get().id, Outcome.SUCCEEDED, amount_minor=1_600, currency="USD")
    payment = record_payment_result(late.reference, late, source=Evidence.Source.WEBHOOK)
    assert (payment.status, payment.is_surplus, total_of(lowered.order)[0]) == ("succeeded", False, 1_600)
    run_background()
    assert used() == [1]
    assert_books_are_whole()


def test_who_still_sees_the_old_amount_does_not_pay_the_new_one(merchant: Merchant) -> None:
    make_promotion(merchant)
    session = make_session(merchant)
    put(session, "WELCOME20")
    take_off(session)
    with no_row_changes():
        stale = Client().post(f"/pay/{session.id}", {"method": "card", "key": "one", "amount_minor": "1600"})
    assert (stale.status_code, "The amount has changed" in shown(stale)) == (409, True)
    assert "$20.00" in shown(stale)


def test_an_open_page_reloads_when_the_total_changed(merchant: Merchant) -> None:
    make_promotion(merchant)
    session = make_session(merchant)
    state = re.search(r"status\?state=([^&]+)&", page_of(session))
    assert state is not None
    address = f"/pay/{session.id}/status?state={state.group(1)}&polls=1"
    assert "HX-Refresh" not in Client().get(address, headers={"HX-Request": "true"})
    put(session, "WELCOME20")
    assert Client().get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_an_intent_that_carries_the_old_total_is_refused_by_the_database(
    merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order was read, then a code was added, then the payment begins."""
    make_promotion(merchant_server.merchant)
    order = make_order(merchant_server.merchant)
    read = payment_views.get_order

    def read_and_change(*arguments: Any, **more: Any) -> Order:
        found = read(*arguments, **more)
        add_code(order.id, "WELCOME20", customer=Customer())
        return found

    monkeypatch.setattr(payment_views, "get_order", read_and_change)
    refused = merchant_server.pay(order.id, key="one")
    assert (refused.status_code, refused.json()["code"]) == (409, "order_changed")
    assert not Payment.objects.exists()
    monkeypatch.setattr(payment_views, "get_order", read)
    paid = merchant_server.pay(order.id, key="one")
    assert (paid.status_code, paid.json()["amount_minor"]) == (201, 1_600)


def test_the_database_lets_nothing_else_move_a_total(merchant: Merchant) -> None:
    order, fixed = make_order(merchant), make_order(merchant, takes_codes=False)
    moves: list[tuple[str, dict[str, Any]]] = [
        (order.id, {"amount_minor": 1_900}),
        (fixed.id, {"amount_minor": 1_900, "discount_minor": 100}),
        (fixed.id, {"takes_codes": True}),
    ]
    for order_id, change in moves:
        with pytest.raises(Error), transaction.atomic():
            Order.objects.filter(id=order_id).update(**change)
    cancel_order(order.id)
    with pytest.raises(Error), transaction.atomic():
        Order.objects.filter(id=order.id).update(amount_minor=1_900, discount_minor=100)


def test_limits_per_person_hold_on_the_page_when_the_merchant_says_who_it_is(merchant: Merchant) -> None:
    make_promotion(merchant, max_per_person=1)
    ann = Customer(email="ann+a@gmail.com")
    first = make_session(merchant, customer=ann)
    assert put(first, "WELCOME20").status_code == 303
    again = make_session(merchant, customer=Customer(email="an.n@googlemail.com"))
    with no_row_changes():
        assert put(again, "WELCOME20").status_code == 409
    nobody = make_session(merchant)
    with no_row_changes():
        response = put(nobody, "WELCOME20")
    assert (response.status_code, "limited per person" in shown(response)) == (422, True)
    assert "ann" not in str(CheckoutSession.objects.values_list("customer_keys", flat=True)[0])


def test_first_purchase_is_the_merchants_word(merchant: Merchant) -> None:
    make_promotion(merchant, is_first_only=True)
    old, new = make_session(merchant), make_session(merchant, customer=Customer("c1", is_first_purchase=True))
    assert (put(old, "WELCOME20").status_code, put(new, "WELCOME20").status_code) == (422, 303)


def test_guessing_on_the_page_is_slow(merchant: Merchant, settings: Any) -> None:
    settings.PAYCORE_THROTTLE_RATES = {**settings.PAYCORE_THROTTLE_RATES, "promotion_check": "3/minute"}
    session = make_session(merchant)
    assert [put(session, f"GUESS{number}").status_code for number in range(5)] == [422, 422, 422, 429, 429]


def test_the_merchants_server_adds_a_code_and_takes_it_off(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant)
    order = merchant_server.create_order(amount_minor=2_000)
    address = f"/orders/{order['id']}/promotion-code"
    first = merchant_server.post(address, {"code": "welcome20"}, key="one")
    assert first.status_code == 200
    assert (first.json()["amount_minor"], first.json()["promotion_codes"]) == (1_600, ["WELCOME20"])
    with no_row_changes():
        assert merchant_server.post(address, {"code": "welcome20"}, key="one").content == first.content
    assert merchant_server.post(address, {"code": "other"}, key="one").status_code == 422
    headers = {"Authorization": f"Bearer {merchant_server.secret}"}
    off = Client().delete(f"/api/v1{address}", headers=headers)
    assert (off.status_code, off.json()["amount_minor"], off.json()["promotion_codes"]) == (200, 2_000, [])
    assert Client().delete(f"/api/v1{address}", headers=headers).status_code == 200
    names = EventRecord.objects.filter(object_id=order["id"]).order_by("sequence").values_list("name", flat=True)
    assert list(names) == ["order.created", "order.total_changed", "order.total_changed"]


@pytest.mark.parametrize("code", ["", "x" * 81, "a\x00b", 7, None, ["A"], "\ud800"])
def test_bad_codes_by_the_api_are_refused_and_change_nothing(merchant_server: MerchantServer, code: Any) -> None:
    make_promotion(merchant_server.merchant)
    order = merchant_server.create_order(amount_minor=2_000)
    with no_row_changes():
        response = merchant_server.post(f"/orders/{order['id']}/promotion-code", {"code": code})
    assert response.status_code in (400, 422)


def test_another_merchants_order_is_not_there(merchant_server: MerchantServer, other_merchant: Merchant) -> None:
    make_promotion(None, "OURS", funded_by="platform", applies_to="order")
    order = make_order(other_merchant)
    address = f"/orders/{order.id}/promotion-code"
    headers = {"Authorization": f"Bearer {merchant_server.secret}"}
    with no_row_changes():
        assert merchant_server.post(address, {"code": "OURS"}).status_code == 404
        assert Client().delete(f"/api/v1{address}", headers=headers).status_code == 404
    assert total_of(order) == (2_000, 0, "")


def test_sessions_say_whether_they_take_codes(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant, max_per_person=1)
    order = merchant_server.create_order(amount_minor=2_000)
    default = merchant_server.post("/checkout-sessions", {"order": order["id"]}).json()
    wish = {"order": order["id"], "allow_promotion_codes": True, "customer": {"reference": "c1"}}
    asked = merchant_server.post("/checkout-sessions", wish).json()
    assert (default["allow_promotion_codes"], asked["allow_promotion_codes"]) == (False, True)
    assert put(CheckoutSession.objects.get(id=asked["id"]), "WELCOME20").status_code == 303
