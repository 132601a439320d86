"""Many reach for the last slot of a promotion: exactly one gets it, and what is given back is given back once."""

from functools import partial

import pytest
from django.db import connection, transaction
from django.test import Client

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.identifiers import new_id
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session
from payments.orders.discounts import settle_uses
from payments.orders.models import Order, Payment
from payments.orders.services import OrderDraft, cancel_order, create_order
from payments.promotions.managing import CodeDraft, activate_promotion, add_code, create_promotion
from payments.promotions.models import Promotion, PromotionCode, Redemption
from payments.promotions.services import carry_out, plan_uses, release, take, use
from tests.actors import assert_books_are_whole, run_background
from tests.merchants.factories import make_user
from tests.payments.promotions.factories import make_promotion, purchase, take_once
from tests.races.conftest import Shop
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
CREW = 32
TRIALS = 8


def grab(code: str, merchant: Merchant, **more: str) -> str:
    take_once(code, purchase(merchant, **more), new_id("sub"))
    return "taken"


def assert_counted(promotion: Promotion, uses: int) -> None:
    promotion.refresh_from_db()
    live = Redemption.objects.filter(promotion=promotion).exclude(status="released").count()
    codes = sum(PromotionCode.objects.filter(promotion=promotion).values_list("used", flat=True))
    assert (promotion.used, promotion.used_on_day, codes, live) == (uses, uses, uses, uses)


def test_32_at_the_last_slot_are_one(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        promotion = make_promotion(merchant, f"LAST{trial}", max_uses=4)
        for _number in range(3):
            grab(f"LAST{trial}", merchant)
        words = tally.note(crew.at_once(*[lambda code=f"LAST{trial}": grab(code, merchant)] * CREW))  # type: ignore[misc]  # bound now
        assert (words.count("taken"), words.count("promotion_code_not_valid")) == (1, CREW - 1)
        assert_counted(promotion, 4)
    tally.assert_no_surprise()


def test_without_the_lock_the_last_slot_is_given_more_than_once(merchant: Merchant, crew: Crew) -> None:
    """The detector's power: the same race over a function that looks and then writes, without a lock in between."""
    make_promotion(merchant, max_uses=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'promotions_take'")
        whole = cursor.fetchone()[0]
        careless = whole.replace(" FOR NO KEY UPDATE", "").replace(
            "    UPDATE payments_promotion\n", "    PERFORM pg_sleep(0.2);\n    UPDATE payments_promotion\n"
        )
        assert careless.count("FOR NO KEY UPDATE") == 0
        create = "CREATE OR REPLACE FUNCTION promotions_take(p jsonb) RETURNS void LANGUAGE plpgsql AS $body${}$body$"
        cursor.execute(create.format(careless))
    try:
        crew.at_once(*[lambda: grab("WELCOME20", merchant)] * 8)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(create.format(whole))
    assert Redemption.objects.count() > 1


def test_one_person_with_two_accounts_and_one_mail_box_gets_one(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        promotion = make_promotion(merchant, f"ONCE{trial}", max_per_person=1)
        people = [{"customer_reference": f"c{number}", "email": f"a+{number}@x.org"} for number in range(CREW)]
        acts = [lambda who=who, code=f"ONCE{trial}": grab(code, merchant, **who) for who in people]  # type: ignore[misc]  # bound now
        words = tally.note(crew.at_once(*acts))
        assert (words.count("taken"), words.count("promotion_already_used")) == (1, CREW - 1)
        assert_counted(promotion, 1)
    tally.assert_no_surprise()


def test_a_budget_is_never_overdrawn(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    promotion = make_promotion(merchant, budget_minor=9_999, budget_currency="USD")
    words = tally.note(crew.at_once(*[lambda: grab("WELCOME20", merchant)] * CREW))
    assert words.count("taken") == 4
    promotion.refresh_from_db()
    assert promotion.reserved_minor == 8_000
    tally.assert_no_surprise()


def test_two_codes_in_either_order_never_deadlock(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    make_promotion(merchant, "ONE", stacking="with_others")
    make_promotion(merchant, "TWO", stacking="with_others", position=1)

    def both(codes: list[str]) -> str:
        subject = new_id("sub")
        with transaction.atomic():
            carry_out(plan_uses(codes, purchase(merchant), subject_id=subject, now=database_now()))
        return "taken"

    for _trial in range(TRIALS):
        acts = [lambda codes=codes: both(codes) for codes in [["ONE", "TWO"], ["TWO", "ONE"]] * (CREW // 2)]  # type: ignore[misc]  # bound now
        tally.note(crew.at_once(*acts))
    tally.assert_no_surprise()
    assert tally.outcomes == {"taken": CREW * TRIALS}


def test_one_subject_takes_two_promotions_that_go_alone_once(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    """Two requests for one subscription, each with another code. The subscription's lock is the caller's; even without
    it the database lets only one of two that go on with the renewals through."""
    make_promotion(merchant, "EVER", duration="forever", stacking="with_others")
    make_promotion(merchant, "THREE", duration="periods", periods=3, stacking="with_others")
    for trial in range(TRIALS):
        subject = f"sub_{trial}"

        def grab_for(code: str, subject: str = subject) -> str:
            with transaction.atomic():
                take(code, purchase(merchant), subject_id=subject, now=database_now())
            return "taken"

        acts = [lambda code=code: grab_for(code) for code in ("EVER", "THREE", "EVER", "THREE")]  # type: ignore[misc]  # bound now
        words = tally.note(crew.at_once(*acts))
        assert (words.count("taken"), words.count("promotion_not_combinable")) == (1, 3)
        assert Redemption.objects.filter(subject_id=subject).count() == 1
    tally.assert_no_surprise()


def test_given_back_by_many_at_once_is_given_back_once(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    promotion = make_promotion(merchant)
    for trial in range(TRIALS):
        take_once("WELCOME20", purchase(merchant), f"sub_{trial}")
        subject = f"sub_{trial}"
        acts = [lambda subject=subject: release(subject), lambda subject=subject: use(subject)]  # type: ignore[misc]  # bound now
        deeds = acts * 8
        tally.note(crew.at_once(*deeds))
        release(f"sub_{trial}")
        assert_counted(promotion, 0)
    tally.assert_no_surprise()


def test_orders_by_http_at_the_last_slot_are_one(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        make_promotion(shop.merchant, f"LAST{trial}", max_uses=1)
        details = {"currency": "USD", "amount_minor": 1_000, "description": "x", "promotion_code": f"LAST{trial}"}
        bodies = [("/orders", details), ("/payments", {"order_details": details, "method": "card"})]

        def order(number: int, bodies: list[tuple[str, dict[str, object]]] = bodies) -> object:
            path, body = bodies[number % 2]
            return shop.servers[number].post(path, body)

        words = tally.note(crew.at_once(*[lambda number=number: order(number) for number in range(CREW)]))  # type: ignore[misc]  # bound now
        assert words.count("201") == 1
        assert words.count("422 promotion_code_not_valid") == CREW - 1
    assert Order.objects.count() == TRIALS
    shop.judge(tally)


def test_paid_and_canceled_at_once_the_slot_says_what_the_order_says(shop: Shop, crew: Crew, tally: Tally) -> None:
    promotion = make_promotion(None)
    ended = 0
    for _trial in range(TRIALS):
        order = Order.objects.get(id=shop.server.create_order(amount_minor=1_000, promotion_code="WELCOME20")["id"])
        acts = [lambda order=order: shop.payment(order).status, lambda order=order: cancel_order(order.id).status]  # type: ignore[misc]  # bound now
        tally.note(crew.at_once(*acts))
        run_background()
        crew.at_once(*[lambda order=order: in_one_transaction(order.id)] * 4)  # type: ignore[misc]  # bound now
        order.refresh_from_db()
        status = Redemption.objects.get(subject_id=order.id).status
        assert (order.status, status) in {("paid", "used"), ("canceled", "released")}
        ended += order.status == "canceled"
    promotion.refresh_from_db()
    assert promotion.used == TRIALS - ended
    tally.assert_no_surprise()
    assert_books_are_whole()


def in_one_transaction(order_id: str) -> str:
    with transaction.atomic():
        settle_uses(order_id)
    return "settled"


def test_two_who_activate_and_one_who_wrote(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    author = make_user().id
    draft = create_promotion(
        {"name": "Big", "kind": "percent", "percent_basis_points": 5_000}, merchant_id=merchant.id, author_id=author
    )
    assert draft.needs_second_person
    acts = [lambda who=who: activate_promotion(draft.id, by_id=who).status for who in [author] * 8 + ["usr_other"] * 8]  # type: ignore[misc]  # bound now
    words = tally.note(crew.at_once(*acts))
    assert words.count("active") == 1
    assert set(words) <= {"active", "promotion_is_your_own", "illegal_transition"}
    draft.refresh_from_db()
    assert draft.activated_by == "usr_other"


def test_one_code_added_by_many_is_one(merchant: Merchant, crew: Crew, tally: Tally) -> None:
    promotion = make_promotion(merchant)
    words = tally.note(crew.at_once(*[lambda: add_code(promotion.id, CodeDraft("same-one")).code] * CREW))
    assert (words.count("SAME-ONE"), words.count("promotion_code_taken")) == (1, CREW - 1)
    tally.assert_no_surprise()


def test_by_the_page_the_last_slot_is_one(shop: Shop, crew: Crew, tally: Tally) -> None:
    promotion = make_promotion(shop.merchant, "PAGE", max_uses=1)
    sessions = [page_of(shop) for _number in range(CREW)]
    words = tally.note(crew.at_once(*[partial(type_code, session, "page") for session in sessions]))
    assert (words.count("303"), words.count("422")) == (1, CREW - 1)
    assert_counted(promotion, 1)
    totals = sorted(Order.objects.values_list("amount_minor", "discount_minor"))
    assert totals == [(800, 200), *[(1_000, 0)] * (CREW - 1)]
    tally.assert_no_surprise()


def test_one_page_and_many_forms_take_one_code_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    """Who waits for the order's lock too long on a busy machine is told to come again, and has changed nothing."""
    for trial in range(TRIALS):
        promotions = [make_promotion(shop.merchant, f"{name}{trial}", stacking="with_others") for name in ("A-", "B-")]
        session = page_of(shop)
        acts = [partial(type_code, session, f"{name}{trial}") for name in ("A-", "B-") for _time in range(4)]
        words = tally.note(crew.at_once(*acts))
        assert "303" in words
        assert set(words) <= {"303", "409", "OperationalError"}
        order = Order.objects.get(id=session.order_id)
        assert (order.amount_minor, order.discount_minor) == (800, 200)
        assert sorted(Promotion.objects.get(id=one.id).used for one in promotions) == [0, 1]
    assert all("lock timeout" in one for one in tally.surprises), tally.surprises


def test_the_code_and_the_payment_at_once_agree_on_the_total(shop: Shop, crew: Crew, tally: Tally) -> None:
    """Whoever is first: what is paid is what the order says, and the code's slot says the same."""
    seen = set()
    for trial in range(TRIALS * 2):
        promotion = make_promotion(shop.merchant, f"BOTH{trial}")
        session = page_of(shop)

        acts = (partial(type_code, session, f"BOTH{trial}"), partial(press_pay, session), partial(take_off, session))
        tally.note(crew.at_once(*acts))
        press_pay(session, key="again")
        order = Order.objects.get(id=session.order_id)
        payment = Payment.objects.get(order=order, status="succeeded")
        assert payment.amount_minor == order.amount_minor
        assert order.amount_minor + order.discount_minor == 1_000
        promotion.refresh_from_db()
        assert promotion.used == int(order.has_codes)
        seen.add(order.amount_minor)
    run_background()
    tally.assert_no_surprise()
    assert_books_are_whole()
    assert seen <= {800, 1_000}


def page_of(shop: Shop) -> CheckoutSession:
    draft = OrderDraft(
        merchant_id=shop.merchant.id, amount=Money(1_000, "USD"), description="A thing", takes_codes=True
    )
    return create_session(create_order(draft), SessionDraft(created_by="test", allows_codes=True))


def type_code(session: CheckoutSession, code: str) -> str:
    return str(Client().post(f"/pay/{session.id}/code", {"code": code}).status_code)


def take_off(session: CheckoutSession) -> str:
    return str(Client().post(f"/pay/{session.id}/code/remove").status_code)


def press_pay(session: CheckoutSession, *, key: str = "one") -> str:
    return str(Client().post(f"/pay/{session.id}", {"method": "card", "key": key}).status_code)
