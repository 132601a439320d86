"""What every refusal looks like, whatever was wrong."""

from typing import Any


def assert_refused(response: Any, status: int, code: str) -> dict[str, Any]:
    """A problem document with this status and code, and the id that the logs know; the document."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert problem["type"] == f"urn:paycore:problem:{code}"
    assert problem["title"]
    assert problem["request_id"].startswith("req_")
    assert problem["request_id"] == response["X-Request-ID"]
    assert isinstance(problem["errors"], list)
    return problem


def pointers(problem: dict[str, Any]) -> set[str]:
    return {error["pointer"] for error in problem["errors"]}
