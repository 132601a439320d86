"""The errors that Stripe answers with."""

from typing import Any


class Problem(Exception):
    """``is_kept``: the answer to this key from now on."""

    def __init__(self, status: int, code: str, message: str, *, is_kept: bool = False, **more: Any) -> None:
        kind = {402: "card_error", 500: "api_error"}.get(status, "invalid_request_error")
        self.status = status
        self.is_kept = is_kept
        self.error = {"type": kind, "code": code, "message": message, **more}
        super().__init__(message)


def missing(what: str, identifier: str, *, param: str = "id") -> Problem:
    return Problem(404, "resource_missing", f"No such {what}: '{identifier}'", param=param)


def key_reused() -> Problem:
    message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
    return Problem(400, "", message, type="idempotency_error")


def unexpected_state(intent: dict[str, Any], what: str) -> Problem:
    name = intent["object"]
    message = f"You cannot {what} this: it is {intent['status']}."
    return Problem(400, f"{name}_unexpected_state", message, **{name: intent})
