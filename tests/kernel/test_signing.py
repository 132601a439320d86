import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycore.signing import SignatureRefused, new_secret, sign_headers, verify

OLD, NEW = new_secret(), new_secret()
NOW = 1_732_200_000
BODY = b'{"type":"order.paid"}'


def signed(*, secrets_in_use: list[str] | None = None, body: bytes = BODY) -> dict[str, str]:
    return sign_headers(secrets_in_use=secrets_in_use or [NEW], message_id="msg_1", timestamp=NOW, body=body)


def test_the_published_example_of_standard_webhooks_is_reproduced() -> None:
    headers = sign_headers(
        secrets_in_use=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(max_size=200))
def test_a_signed_message_is_accepted(body: bytes) -> None:
    assert verify(secrets_in_use=[NEW], headers=signed(body=body), body=body, now=NOW) == "msg_1"


def test_both_secrets_work_while_one_replaces_the_other() -> None:
    headers = signed(secrets_in_use=[NEW, OLD])
    assert verify(secrets_in_use=[OLD], headers=headers, body=BODY, now=NOW)
    assert verify(secrets_in_use=[new_secret(), NEW], headers=headers, body=BODY, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-id": "msg.1"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "１７３２２０００００"},
        {"webhook-timestamp": "-1"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,abc"},
        {"webhook-signature": "v1," + base64.b64encode(b"0" * 32).decode()},
        {"webhook-signature": "v1,é"},
    ],
)
def test_an_altered_header_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(SignatureRefused):
        verify(secrets_in_use=[NEW], headers={**signed(), **change}, body=BODY, now=NOW)


def test_another_body_or_secret_is_refused() -> None:
    with pytest.raises(SignatureRefused):
        verify(secrets_in_use=[NEW], headers=signed(), body=BODY + b" ", now=NOW)
    with pytest.raises(SignatureRefused):
        verify(secrets_in_use=[OLD], headers=signed(), body=BODY, now=NOW)
    with pytest.raises(SignatureRefused):
        verify(secrets_in_use=[], headers=signed(), body=BODY, now=NOW)


@pytest.mark.parametrize("now", [NOW - 301, NOW + 301])
def test_a_message_outside_five_minutes_is_refused(now: int) -> None:
    with pytest.raises(SignatureRefused, match="too old or too new"):
        verify(secrets_in_use=[NEW], headers=signed(), body=BODY, now=now)
    assert verify(secrets_in_use=[NEW], headers=signed(), body=BODY, now=NOW + 299)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_!!!"])
def test_a_weak_secret_never_signs(secret: str) -> None:
    with pytest.raises(ValueError, match="signing secret"):
        signed(secrets_in_use=[secret])
