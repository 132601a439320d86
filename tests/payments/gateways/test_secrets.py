"""What a gateway is told and answers is full of secrets: none shows where objects are printed, as tracebacks do."""

from payments.gateways.contract import (
    ActionKind,
    GatewayConfiguration,
    HttpRequest,
    HttpResponse,
    NextAction,
    SavedToken,
)
from payments.gateways.paypal.client import _Token


def test_no_secret_shows_where_an_object_is_printed() -> None:
    def transport(request: HttpRequest) -> HttpResponse:
        raise AssertionError

    things = (
        GatewayConfiguration("ga_1", "https://x", {"secret_key": "sk_live_1"}, transport),
        HttpRequest("POST", "https://x", {"Authorization": "Bearer sk_live_1"}, b"key=sk_live_1"),
        HttpResponse(200, {"Set-Cookie": "sk_live_1"}, b"sk_live_1"),
        SavedToken("sk_live_1"),
        NextAction(ActionKind.APP, app_parameters={"ephemeral_key": "sk_live_1"}),
        _Token("sk_live_1", 0.0),
    )
    for thing in things:
        assert "sk_live_1" not in f"{thing!r} {thing!s} {[thing]}", type(thing).__name__
