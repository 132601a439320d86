"""How a member answers a price change: through the API, and on the page that the letter leads to."""

import re
from urllib.parse import urlsplit

import pytest
from django.test import Client

from memberships.models import Price, PriceMove, Subscription
from memberships.price_changes.announcing import advance_change, announce, withdraw
from paycore.models import Notification
from paycore.notifications.rendering import render
from tests.actors import AppUser
from tests.memberships.price_stage import another_person, make_change, make_member, make_prices

pytestmark = pytest.mark.django_db
Prices = tuple[Price, Price]


@pytest.fixture
def prices() -> Prices:
    return make_prices()


def told(prices: Prices, user: AppUser, **terms: str) -> Subscription:
    """A member who was told of a price change a moment ago."""
    member = make_member(prices[0], user=user.user)
    change = make_change(prices, **terms)
    announce(change.id, by_id=another_person())
    advance_change(change.id)
    return member


def letter_path() -> str:
    return urlsplit(Notification.objects.get().context["answer_url"]).path


def test_a_member_sees_the_change_and_agrees(prices: Prices, app_user: AppUser) -> None:
    member = told(prices, app_user)
    address = f"/subscriptions/{member.id}/price-change"

    shown = app_user.get(address).json()
    assert (shown["status"], shown["kind"], shown["if_unanswered"]) == ("waiting", "notice", "new_price")
    assert (shown["old_amount_minor"], shown["new_amount_minor"], shown["currency"]) == (1999, 2299, "USD")
    assert shown["first_charged_at"] >= shown["answer_by"]

    assert app_user.post(f"{address}/agree").json()["status"] == "agreed"
    assert app_user.post(f"{address}/agree").status_code == 200
    assert PriceMove.objects.get().status == "agreed"


def test_a_member_refuses_and_the_answer_says_what_follows(prices: Prices, app_user: AppUser) -> None:
    member = told(prices, app_user)

    answer = app_user.post(f"/subscriptions/{member.id}/price-change/refuse")

    assert (answer.status_code, answer.json()["status"], answer.json()["subscription_ends"]) == (200, "refused", True)


def test_a_strangers_price_change_is_not_there(prices: Prices, app_user: AppUser) -> None:
    member = told(prices, app_user)
    eve = AppUser.signed_in("eve@example.com")

    for method, path in ((eve.get, ""), (eve.post, "/agree"), (eve.post, "/refuse")):
        answer = method(f"/subscriptions/{member.id}/price-change{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "price_change_not_found")
    assert PriceMove.objects.get().status == "waiting"


def test_without_a_change_there_is_nothing_to_answer(prices: Prices, app_user: AppUser) -> None:
    member = make_member(prices[0], user=app_user.user)

    assert app_user.post(f"/subscriptions/{member.id}/price-change/agree").status_code == 404
    assert app_user.post("/subscriptions/sub_unknown/price-change/agree").status_code == 404
    assert not member.changes.exists()


def test_nobody_answers_without_signing_in(prices: Prices, app_user: AppUser) -> None:
    member = told(prices, app_user)

    assert Client().post(f"/api/v1/subscriptions/{member.id}/price-change/agree").status_code == 401
    assert PriceMove.objects.get().status == "waiting"


def test_the_letter_leads_to_a_page_that_only_its_form_answers(prices: Prices, app_user: AppUser) -> None:
    member, browser = told(prices, app_user), Client(enforce_csrf_checks=True)
    path = letter_path()

    text = browser.get(path).content.decode()
    assert "$19.99" in text
    assert "$22.99" in text
    assert browser.get(f"{path}?answer=agree").status_code == 200
    assert browser.post(path, {"answer": "agree"}).status_code == 403
    assert PriceMove.objects.get().status == "waiting"

    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert token is not None
    answer = browser.post(path, {"answer": "refuse", "csrfmiddlewaretoken": token[1]})
    assert (answer.status_code, answer["Location"]) == (303, path)
    assert "Your membership ends" in browser.get(path).content.decode()
    member.refresh_from_db()
    assert member.cancel_at_period_end


def test_the_page_speaks_chinese(prices: Prices, app_user: AppUser) -> None:
    told(prices, app_user)
    browser = Client()

    assert browser.get(f"{letter_path()}?lang=zh-hans").status_code == 302
    assert 'lang="zh-hans"' in browser.get(letter_path()).content.decode()


@pytest.mark.parametrize("spoilt", ["", "x", ".x", "pmv_01kaf5m7z8x9c0v1b2n3m4a5s6", "a" * 300])
def test_a_made_up_address_answers_nothing(prices: Prices, app_user: AppUser, spoilt: str) -> None:
    told(prices, app_user)
    path = letter_path()
    wrong = f"{path[:-1]}{'x' if path[-1] != 'x' else 'y'}" if not spoilt else f"/membership/price-change/{spoilt}"

    for answer in (Client().get(wrong), Client().post(wrong, {"answer": "agree"})):
        assert answer.status_code == 404
        assert "nothing to answer" in answer.content.decode()
    assert PriceMove.objects.get().status == "waiting"


def test_a_withdrawn_change_leaves_nothing_to_answer(prices: Prices, app_user: AppUser) -> None:
    told(prices, app_user)
    path = letter_path()
    withdraw(PriceMove.objects.get().change_id)

    answer = Client().post(path, {"answer": "refuse"})

    assert answer.status_code == 404
    assert PriceMove.objects.get().status == "void"
    assert not Subscription.objects.get().cancel_at_period_end


def test_an_unknown_answer_is_none(prices: Prices, app_user: AppUser) -> None:
    told(prices, app_user)

    assert Client().post(letter_path(), {"answer": "maybe"}).status_code == 200
    assert PriceMove.objects.get().status == "waiting"


@pytest.mark.parametrize("terms", [{}, {"kind": "consent"}, {"kind": "consent", "unanswered": "end"}], ids=str)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_letters_name_both_amounts_and_the_way_to_answer(
    prices: Prices, app_user: AppUser, terms: dict[str, str], language: str
) -> None:
    told(prices, app_user, **terms)
    letter = Notification.objects.get()

    message = render(letter.template, context=letter.context, language=language)

    for text in (message.text, message.html):
        assert "19.99" in text
        assert "22.99" in text
        assert letter.context["answer_url"] in text
    assert "Premium" in message.subject
