"""The hosted payment page as a payer meets it."""

import re

from playwright.sync_api import Browser, Page, expect

from payments.checkout.models import CheckoutSession
from payments.orders.models import Payment
from tests.actors import assert_books_are_whole
from tests.browser.conftest import World, watch


def choose(page: Page, method: str, *, test_card: str = "") -> None:
    page.get_by_role("radio", name=re.compile(method)).check()
    if test_card:
        page.get_by_label("Test card").select_option(test_card)
    page.get_by_role("button", name=re.compile("Pay")).click()


def title_is(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def statuses(session: CheckoutSession) -> list[str]:
    return list(Payment.objects.filter(order_id=session.order_id).order_by("id").values_list("status", flat=True))


def test_paying_by_card_shows_a_receipt_and_fills_the_books(page: Page, session: CheckoutSession, pay_url: str) -> None:
    page.goto(pay_url)
    expect(page.get_by_text("$19.99", exact=True).first).to_be_visible()
    expect(page.get_by_text("-$2.00")).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_contain_text("Choose")
    choose(page, "Card")
    title_is(page, "Payment received")
    expect(page.locator("[aria-current=step]")).to_contain_text("Done")
    expect(page).to_have_title("Paid · Corner Shop")
    assert statuses(session) == ["succeeded"]
    assert_books_are_whole()
    page.get_by_role("link", name="Return to Corner Shop").click()
    expect(page).to_have_title(re.compile("paycore"))


def test_after_a_decline_the_payer_is_told_what_to_do_and_pays_another_way(
    page: Page, session: CheckoutSession, pay_url: str, world: World
) -> None:
    page.goto(pay_url)
    choose(page, "Card", test_card="tok_decline_insufficient_funds")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is not enough money on this card")
    expect(alert).to_contain_text("Use another card or another way to pay.")
    choose(page, "Online banking")
    page.get_by_role("button", name="Approve payment").click()
    page.wait_for_url("**/pay/**")
    world.settle()
    title_is(page, "Payment received")
    assert statuses(session) == ["failed", "succeeded"]
    assert_books_are_whole()


def test_payer_who_declines_at_the_provider_comes_back_to_the_choice(
    page: Page, session: CheckoutSession, pay_url: str, world: World
) -> None:
    page.goto(pay_url)
    choose(page, "Online banking")
    page.get_by_role("button", name="Decline").click()
    page.wait_for_url("**/pay/**")
    world.settle()
    expect(page.get_by_role("alert")).to_contain_text("You did not approve the payment")
    expect(page.get_by_role("button", name="Pay $19.99")).to_be_visible()
    assert statuses(session) == ["failed"]


def test_qr_code_is_shown_and_the_page_goes_on_by_itself_when_the_phone_has_paid(
    page: Page, session: CheckoutSession, pay_url: str, world: World
) -> None:
    page.goto(pay_url)
    choose(page, "QR code")
    code = page.get_by_role("img", name="QR code for this payment")
    expect(code).to_be_visible()
    assert code.evaluate("image => image.naturalWidth") > 100
    marker = page.evaluate("window.sameDocument = true")
    world.sandbox.approve(Payment.objects.get(order_id=session.order_id).id)
    world.settle()
    title_is(page, "Payment received")
    expect(page.locator("#announcement")).to_contain_text("Paid")
    expect(page.locator("#stage-title")).to_be_focused()
    assert page.evaluate("window.sameDocument") is marker
    expect(page.locator("#expiry")).to_be_empty()


def test_slow_payment_is_waited_for_and_then_shown_without_a_reload(
    page: Page, session: CheckoutSession, pay_url: str, world: World
) -> None:
    page.goto(pay_url)
    choose(page, "Card", test_card="tok_succeed_after")
    title_is(page, "Your payment is being processed")
    expect(page.locator("[aria-current=step]")).to_contain_text("Confirm")
    world.settle(after_seconds=6)
    title_is(page, "Payment received")
    assert statuses(session) == ["succeeded"]


def test_payer_turns_back_from_the_provider_and_pays_another_way(
    page: Page, session: CheckoutSession, pay_url: str, world: World
) -> None:
    page.goto(pay_url)
    choose(page, "QR code")
    page.get_by_role("button", name="Pay another way").click()
    title_is(page, "How would you like to pay?")
    choose(page, "Card")
    title_is(page, "Payment received")
    assert statuses(session) == ["canceled", "succeeded"]


def test_going_back_from_the_provider_does_not_send_the_payer_away_again(page: Page, pay_url: str) -> None:
    page.goto(pay_url)
    choose(page, "Online banking")
    page.wait_for_url("**/approve/**")
    page.go_back()
    title_is(page, "Confirm the payment")
    expect(page.get_by_role("link", name="Continue to confirm")).to_be_visible()


def test_double_click_makes_one_payment(page: Page, session: CheckoutSession, pay_url: str) -> None:
    page.goto(pay_url)
    page.get_by_role("button", name="Pay $19.99").dblclick()
    title_is(page, "Payment received")
    assert statuses(session) == ["succeeded"]


def test_keyboard_alone_is_enough(page: Page, session: CheckoutSession, pay_url: str) -> None:
    page.goto(pay_url)
    for _press in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "radio":
            break
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name=re.compile("Online banking"))).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Test card")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    title_is(page, "Payment received")
    assert statuses(session) == ["succeeded"]


def test_page_speaks_the_language_of_the_browser_and_changes_it_on_request(
    browser: Browser, address: str, pay_url: str
) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    wrong = watch(page, allowed=(f"{address}/",))
    page.goto(pay_url)
    title_is(page, "选择支付方式")
    expect(page.get_by_role("button", name="支付 US$19.99")).to_be_visible()
    page.get_by_role("link", name="English").click()
    title_is(page, "How would you like to pay?")
    assert page.url == pay_url
    page.reload()
    title_is(page, "How would you like to pay?")
    context.close()
    assert wrong == []


def test_payer_without_scripts_pays_all_the_same(browser: Browser, session: CheckoutSession, pay_url: str) -> None:
    context = browser.new_context(locale="en-US", java_script_enabled=False)
    page = context.new_page()
    page.goto(pay_url)
    choose(page, "Card", test_card="tok_decline_card_declined")
    expect(page.get_by_role("alert")).to_contain_text("The payment was declined")
    choose(page, "Card", test_card="tok_approve")
    title_is(page, "Payment received")
    context.close()
    assert statuses(session) == ["failed", "succeeded"]


def test_nothing_is_cut_off_on_the_narrowest_phone(browser: Browser, pay_url: str) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
        page = context.new_page()
        page.goto(pay_url)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        heights = page.locator(".method > label, .pay-form .button").evaluate_all(
            "elements => elements.map(element => element.getBoundingClientRect().height)"
        )
        assert min(heights) >= 44
        context.close()
