import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from paycore.middleware import body_contains_card_number
from tests.kernel import test_problems as small_site

CARD = "4242424242424242"
JSON = "application/json"


@pytest.fixture(autouse=True)
def _small_site() -> Iterator[None]:
    small_site.SEEN.clear()
    with override_settings(
        ROOT_URLCONF="tests.kernel.test_problems", MIDDLEWARE=small_site.MIDDLEWARE, ALLOWED_HOSTS=["testserver"]
    ):
        yield


def assert_refused_without_a_trace(response: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert response.status_code == 400
    assert json.loads(response.content)["code"] == "card_data_not_allowed"
    assert small_site.SEEN == []
    assert CARD not in response.content.decode() + caplog.text + str(dict(response.items()))


@pytest.mark.parametrize(
    "body",
    [
        f'{{"note": "{CARD}"}}',
        '{"note": "my card 4242 4242 4242 4242 ok"}',
        f'{{"reference": {CARD}}}',
        f'{{"{CARD}": 1}}',
        f'{{"a": [{{"b": "{CARD}"}}]}}',
        '{"note": "\\u0034242424242424242"}',
        '{"note": "４２４２４２４２４２４２４２４２"}',
        f'{{"amount": "{CARD}"}}',
        f'{{"note": "{CARD}", "note": "hidden behind a duplicate"}}',
        f'{{"broken": "{CARD}"',
        CARD,
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ["/api/v1/drf/echo", "/api/v1/plain/echo", "/webhooks/echo"])
def test_a_card_number_in_a_json_body_is_refused(
    client: Client, caplog: pytest.LogCaptureFixture, address: str, body: str
) -> None:
    assert_refused_without_a_trace(client.post(address, data=body, content_type=JSON), caplog)


@pytest.mark.parametrize("query", [f"?a={CARD}", f"?{CARD}=1", "?a=4242+4242%204242-4242", "?a=%34242424242424242"])
def test_a_card_number_in_the_query_is_refused(client: Client, caplog: pytest.LogCaptureFixture, query: str) -> None:
    assert_refused_without_a_trace(client.get(f"/api/v1/plain/echo{query}"), caplog)


def test_a_card_number_in_the_path_is_refused(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert_refused_without_a_trace(client.get(f"/api/v1/plain/{CARD}"), caplog)
    assert_refused_without_a_trace(client.get(f"/api/v1/plain/{quote('4242 4242 4242 4242')}"), caplog)


@pytest.mark.parametrize("header", ["HTTP_IDEMPOTENCY_KEY", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_X_REQUEST_ID"])
def test_a_card_number_in_a_kept_header_is_refused(
    client: Client, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    assert_refused_without_a_trace(client.get("/api/v1/plain/echo", **{header: f"x {CARD}"}), caplog)


def test_a_card_number_in_a_form_or_upload_field_is_refused(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    form = client.post("/api/v1/plain/echo", data=f"a=1&b={CARD}", content_type="application/x-www-form-urlencoded")
    assert_refused_without_a_trace(form, caplog)
    coded = "a=%34%32%34%32424242424242"
    form = client.post("/api/v1/plain/echo", data=coded, content_type="application/x-www-form-urlencoded")
    assert_refused_without_a_trace(form, caplog)
    upload = {"note": f"card {CARD}", "file": SimpleUploadedFile("a.csv", b"x")}
    assert_refused_without_a_trace(client.post("/api/v1/plain/echo", data=upload), caplog)


def test_an_uploaded_file_is_its_parsers_business(client: Client) -> None:
    file = SimpleUploadedFile("statement.csv", f"reference;{CARD}".encode())
    assert client.post("/page/echo", data={"note": "ok", "file": file}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 4242424242424242, "timestamp": 1732212345678},
        {"order_number": "ord-2026-11-21-0001", "note": "+49 151 23456786"},
        {"payment": "pay_01jd3z9h8k7m6n5p4q3r2s1t0v", "names": ["元", "é"]},
        {"transaction_id": "4200001234202611211234567890"},
    ],
)
def test_ordinary_bodies_pass_untouched(client: Client, body: dict[str, Any]) -> None:
    response = client.post("/api/v1/drf/echo", data=body, content_type=JSON)
    assert response.status_code == 200
    assert [body] == small_site.SEEN


def test_callbacks_may_be_larger_than_requests_and_both_are_bounded(client: Client) -> None:
    middling, large = b'"' + b"x" * 100_000 + b'"', b'"' + b"x" * 300_000 + b'"'
    assert client.post("/webhooks/echo", data=middling, content_type=JSON).status_code == 200
    small_site.SEEN.clear()
    for address, body in [("/api/v1/plain/echo", middling), ("/webhooks/echo", large)]:
        response = client.post(address, data=body, content_type=JSON)
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert small_site.SEEN == []


def test_a_page_takes_no_body_beyond_the_limit(client: Client) -> None:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
        response = client.post("/page/echo", data="a=" + "x" * 2000, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 413
    assert small_site.SEEN == []


def test_a_request_id_from_outside_counts_only_behind_a_trusted_proxy(client: Client) -> None:
    sent = {"HTTP_X_REQUEST_ID": "from-the-proxy-0001"}
    assert client.get("/api/v1/plain/echo", **sent)["X-Request-ID"].startswith("req_")
    with override_settings(PAYCORE_TRUSTED_PROXIES=1):
        assert Client().get("/api/v1/plain/echo", **sent)["X-Request-ID"] == "from-the-proxy-0001"
        odd = {"HTTP_X_REQUEST_ID": "bad id\twith spaces"}
        assert Client().get("/api/v1/plain/echo", **odd)["X-Request-ID"].startswith("req_")


def test_each_request_has_an_id_of_its_own(client: Client) -> None:
    ids = {client.get("/api/v1/plain/echo")["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5


def test_answers_carry_the_remaining_security_headers(client: Client) -> None:
    response = client.get("/api/v1/plain/echo")
    assert "camera=()" in response["Permissions-Policy"]
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_multipart_body_without_a_boundary_is_still_searched() -> None:
    assert body_contains_card_number(CARD.encode(), {"CONTENT_TYPE": "multipart/form-data"})


def test_the_language_of_a_refusal_is_the_callers(client: Client) -> None:
    response = client.post("/webhooks/echo", data=CARD, content_type=JSON, HTTP_ACCEPT_LANGUAGE="zh-hans")
    assert response.json()["code"] == "card_data_not_allowed"
    assert response.json()["title"]
