import json
import time

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from paycore.errors import PaycoreError
from paycore.parsers import BodyRefused, StrictJSONParser, TooDeep, loads_strict

LIMIT = 64 * 1024
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text(st.characters(exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abc\\"[]{}', max_size=5), inner, max_size=4),
    max_leaves=8,
)


def read(raw: bytes) -> object:
    return loads_strict(raw, max_bytes=LIMIT)


@given(plain, st.booleans())
def test_what_json_writes_is_read_back(value: object, ensure_ascii: bool) -> None:
    assert read(json.dumps(value, ensure_ascii=ensure_ascii).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_but_never_break_the_parser(raw: bytes) -> None:
    try:
        value = read(raw)
    except BodyRefused:
        return
    assert json.loads(raw) == value


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"{'a': 1}", "malformed_json"),
        (b'{"a": 1,}', "malformed_json"),
        (b'{"a": 1} x', "malformed_json"),
        (b'\xef\xbb\xbf{"a": 1}', "malformed_json"),
        (b'{"a": "x\x00"}', "malformed_json"),
        (b'{"a": 1_0}', "malformed_json"),
        (b'{"a": 01}', "malformed_json"),
        (b'{"a": \xef\xbc\x91}', "malformed_json"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "duplicate_key"),
        (b'{"a": NaN}', "number_out_of_range"),
        (b'{"a": -Infinity}', "number_out_of_range"),
        (b'{"a": 1e400}', "number_out_of_range"),
        (b'{"a": 9223372036854775808}', "number_out_of_range"),
        (b'{"a": -9223372036854775808}', "number_out_of_range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number_out_of_range"),
        (b'{"a": "\\u0000"}', "invalid_text"),
        (b'{"\\ud800": 1}', "invalid_text"),
        (b'{"a": ["\\udfff"]}', "invalid_text"),
        (b'{"a": "\xff"}', "invalid_text"),
        (b'{"a": "\xed\xa0\x80"}', "invalid_text"),
        ('{"a": "é"}'.encode("latin-1"), "invalid_text"),
        ('{"a": 1}'.encode("utf-16"), "invalid_text"),
        (b" " * (LIMIT + 1), "body_too_large"),
    ],
)  # fmt: skip
def test_what_two_readers_could_read_differently_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(BodyRefused) as refused:
        read(raw)
    assert refused.value.code == code


def test_escaped_pairs_of_surrogates_are_text() -> None:
    assert read(b'["\\ud83d\\ude00"]') == ["😀"]


def test_a_duplicate_key_in_another_object_is_no_duplicate() -> None:
    assert read(b'[{"a": 1}, {"a": 2}]') == [{"a": 1}, {"a": 2}]


def test_sixteen_levels_are_read_and_seventeen_refused() -> None:
    assert read(b"[" * 16 + b"]" * 16)
    with pytest.raises(TooDeep):
        read(b"[" * 17 + b"]" * 17)
    with pytest.raises(TooDeep):
        read(b'{"a":' * 17 + b"1" + b"}" * 17)


def test_brackets_inside_text_are_not_nesting() -> None:
    value = {"a": "[" * 100 + '\\"{' * 50, "b": ["]" * 40]}
    assert read(json.dumps(value).encode()) == value


@pytest.mark.parametrize("raw", [b"[" * 30_000, b'{"a":' * 2_000, b'["\\"' * 10_000, b'"' * 60_000, b'[\\"' * 20_000])
def test_hostile_nesting_is_refused_at_once(raw: bytes) -> None:
    started = time.process_time()
    with pytest.raises(BodyRefused):
        read(raw)
    assert time.process_time() - started < 0.5


def parse(content: bytes, content_type: str = "application/json", path: str = "/api/v1/x", **headers: str) -> object:
    request = Request(
        APIRequestFactory().post(path, data=content, content_type=content_type, **headers), parsers=[StrictJSONParser()]
    )
    return request.data


def test_the_parser_reads_utf8_json() -> None:
    assert parse('{"a": "元"}'.encode(), "application/json; charset=UTF-8") == {"a": "元"}


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("application/json; charset=zlib", {}),
        ("application/json; charset=utf-16", {}),
        ("application/json", {"HTTP_CONTENT_ENCODING": "gzip"}),
    ],
)
def test_other_encodings_are_unsupported(content_type: str, headers: dict[str, str]) -> None:
    with pytest.raises(PaycoreError) as refused:
        parse(b"{}", content_type, **headers)
    assert (refused.value.code, refused.value.http_status) == ("unsupported_media_type", 415)


@override_settings(PAYCORE_API_BODY_BYTES=20, PAYCORE_CALLBACK_BODY_BYTES=40)
def test_callbacks_may_be_larger_than_requests() -> None:
    body = b'{"a": "0123456789012"}'
    with pytest.raises(BodyRefused) as refused:
        parse(body)
    assert refused.value.http_status == 413
    assert parse(body, path="/webhooks/gwa_1") == {"a": "0123456789012"}
