import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

from paycore.openapi.views import document

METHODS = {"get", "post", "put", "patch", "delete"}
SIGNUP = "/api/v1/auth/app/v1/auth/signup"


@pytest.fixture(scope="module")
def description() -> Any:
    return json.loads(document("en"))


def operations(description: Any) -> list[tuple[str, str, Any]]:
    return [
        (address, method, operation)
        for address, item in description["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_description_is_valid_and_has_no_warning(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "openapi.yaml"))
    assert "warn" not in capsys.readouterr().err.lower()


def test_it_speaks_openapi_3_1_and_is_served_as_json() -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["openapi"] == "3.1.1"
    again = Client().get("/api/v1/openapi.json", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_every_operation_has_its_own_id_a_known_tag_and_a_summary(description: Any) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in description["tags"]}
    for address, method, operation in operations(description):
        assert set(operation["tags"]) <= tags, (address, method)
        assert operation["summary"], (address, method)


def test_only_the_public_api_is_described(description: Any) -> None:
    assert all(address.startswith("/api/v1/") for address in description["paths"])


def test_every_reference_leads_somewhere(description: Any) -> None:
    for reference in _references(description):
        node = description
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        assert node


def test_sign_up_is_described_as_it_is_configured(description: Any) -> None:
    assert set(description["paths"][SIGNUP]) == {"post"}
    assert description["paths"][SIGNUP]["post"]["security"] == []
    properties = description["components"]["schemas"]["AuthBaseSignup"]["properties"]
    assert set(properties) == {"email", "phone", "name", "locale"}
    assert "required" not in description["components"]["schemas"]["AuthBaseSignup"]
    assert not any("/browser/" in address for address in description["paths"])


def test_own_operations_describe_their_refusals_as_problem_documents(description: Any) -> None:
    patch = description["paths"]["/api/v1/me"]["patch"]
    assert set(patch["responses"]) - {"429"} == {"200", "400", "401", "413", "415", "500", "503"}
    for status, response in patch["responses"].items():
        if status != "200":
            component = description["components"]["responses"][response["$ref"].rpartition("/")[2]]
            assert set(component["content"]) == {"application/problem+json"}
            assert component["content"]["application/problem+json"]["example"]["status"] == int(status)


def test_both_ways_to_prove_who_calls_are_described(description: Any) -> None:
    schemes = description["components"]["securitySchemes"]
    assert schemes["userToken"]["scheme"] == "bearer"
    assert description["paths"]["/api/v1/me"]["get"]["security"] == [{"userToken": []}]


class _Body(serializers.Serializer[Any]):
    amount = serializers.IntegerField()


class _MerchantsOnly(AllowAny):
    security_scheme = "merchantKey"


class _CreateView(APIView):
    idempotent = True
    throttle_classes = [AnonRateThrottle]
    permission_classes = [_MerchantsOnly]

    @extend_schema(operation_id="thing_create", request=_Body, responses={201: _Body})
    def post(self, request: Any, thing: str) -> Any:
        raise NotImplementedError


def test_view_that_creates_takes_an_idempotency_key_and_says_its_limits(settings: Any) -> None:
    described = SchemaGenerator(patterns=[path("api/v1/things/<str:thing>", _CreateView.as_view())]).get_schema(
        request=None, public=True
    )
    operation = described["paths"]["/api/v1/things/{thing}"]["post"]
    assert {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"]
    assert {"400", "401", "403", "404", "409", "413", "415", "422", "429", "500", "503"} <= set(operation["responses"])
    assert set(operation["responses"]["201"]["headers"]) == {"RateLimit", "RateLimit-Policy", "Idempotent-Replayed"}
    assert operation["security"] == [{"merchantKey": []}]


@pytest.mark.parametrize("address", ["/api/v1/docs", "/api/v1/docs?script=", "/api/v1/redoc"])
def test_readers_load_nothing_from_elsewhere_and_run_no_inline_script(address: str) -> None:
    answer = Client().get(address)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    script_sources = next(
        part for part in answer["Content-Security-Policy"].split(";") if part.strip().startswith("script-src")
    )
    assert script_sources.split() == ["script-src", "'self'"]


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(_references(part) for part in node.values())) if node else own
    if isinstance(node, list):
        return set().union(*(_references(part) for part in node))
    return set()
