import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from paycore.logs import (
    bind_ids,
    bound_request,
    current_request_id,
    end_context,
    formatter,
    get_logger,
    logging_settings,
    start_context,
)

Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written() -> Iterator[Written]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(json=True))
    logger = logging.getLogger("logtest")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    end_context()


SECRETS = {
    "card": "4242 4242 4242 4242",
    "bearer": "Authorization: Bearer abcdef1234567890",
    "database": "postgres://paycore:hunter2@db/paycore",
    "mail": "mei.lin@example.com",
    "token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJl",
    "stripe key": "sk_test_abcdefghijklmnop",
}
FORBIDDEN = ["4242 4242", "abcdef1234567890", "hunter2", "mei.lin@", "eyJzdWIi", "abcdefghijklmnop"]


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_what_must_not_be_kept_is_removed_everywhere(written: Written, text: str) -> None:
    log = get_logger("logtest.a")
    event = f"event {text}"
    log.info(event, note=text, nested={"deep": [text, {"x": (text,)}]})
    logging.getLogger("logtest.b").warning("message %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("broke")
        logging.getLogger("logtest.b").exception("broke too")
    lines = written()
    assert len(lines) == 4
    assert not [word for word in FORBIDDEN if word in json.dumps(lines, ensure_ascii=False)]
    assert "ValueError" in lines[2]["exception"]
    assert "ValueError" in lines[3]["exception"]


@pytest.mark.parametrize(
    "key",
    ["password", "Authorization", "api_key", "access_token", "secret", "client_secret", "cookie", "sessionkey", "iban",
     "email", "phone_number", "idempotency_key", "body", "headers", "cvv", "card_number", "private_key", "signature"],
)  # fmt: skip
def test_values_of_telling_keys_are_removed(written: Written, key: str) -> None:
    get_logger("logtest.a").info("event", **{key: "value-to-hide"}, data={key: "value-to-hide"})
    assert "value-to-hide" not in json.dumps(written())


def test_facts_stay_readable(written: Written) -> None:
    get_logger("logtest.a").info(
        "paid", payment_id="pay_01jd3z9h8k7m6n5p4q3r2s1t0v", amount_minor=2900, ok=True, note="元"
    )
    line = written()[0]
    assert line["event"] == "paid"
    assert (line["payment_id"], line["amount_minor"], line["ok"]) == ("pay_01jd3z9h8k7m6n5p4q3r2s1t0v", 2900, True)
    assert (line["level"], line["logger"]) == ("info", "logtest.a")
    assert line["timestamp"].endswith("Z")


def test_integers_that_are_card_numbers_are_removed(written: Written) -> None:
    get_logger("logtest.a").info("event", reference=4242424242424242, milliseconds=1732212345678)
    line = written()[0]
    assert "4242" not in json.dumps(line["reference"])
    assert line["milliseconds"] == 1732212345678


def test_one_request_id_is_in_every_line_and_gone_afterwards(written: Written) -> None:
    log = get_logger("logtest.a")
    start_context(request_id="req_1")
    bind_ids(user_id="usr_1")
    log.info("one")
    logging.getLogger("logtest.b").info("two")
    with bound_request(request_id="req_2", handler="memberships.activate"):
        assert current_request_id() == "req_2"
        log.info("three")
    assert current_request_id() == "req_1"
    end_context()
    log.info("four")
    ids = [line.get("request_id") for line in written()]
    assert ids == ["req_1", "req_1", "req_2", None]
    assert written()[1]["user_id"] == "usr_1"
    assert "user_id" not in written()[3]


def test_a_line_for_people_is_redacted_as_well() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "card %s", ("4242424242424242",), None)
    text = formatter(json=False).format(record)
    assert "card" in text
    assert "4242424242424242" not in text


def test_settings_describe_one_redacting_handler() -> None:
    described = logging_settings(json=True)
    assert described["root"]["handlers"] == ["console"]
    assert described["formatters"]["structured"]["()"] == "paycore.logs.formatter"


def test_a_value_that_cannot_be_written_as_json_breaks_nothing(written: Written) -> None:
    get_logger("logtest.a").info("event", thing=object(), raw=b"secret-bytes", many={1, 2})
    assert "secret-bytes" not in json.dumps(written())
    assert structlog.contextvars.get_contextvars() == {}
