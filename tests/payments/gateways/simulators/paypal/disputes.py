"""Customer disputes v1."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from tests.payments.gateways.simulators.paypal.world import (
    ADDRESS,
    Words,
    World,
    invalid,
    link,
    not_found,
    unprocessable,
)


def open_dispute(world: World, reference: str, *, stage: str = "CHARGEBACK", **changes: Any) -> str:
    """The buyer of our payment ``reference`` disputes its first capture."""
    capture = next(one for one in world.captures.values() if one["custom_id"] == reference)
    dispute_id = world.new_id("PP-D-")
    dispute: Words = {
        "dispute_id": dispute_id,
        "create_time": world.now(),
        "update_time": world.now(),
        "disputed_transactions": [
            {
                "seller_transaction_id": capture["id"],
                "custom": reference,
                "invoice_number": capture["invoice_id"],
                "gross_amount": capture["amount"],
            }
        ],
        "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        "status": "WAITING_FOR_SELLER_RESPONSE",
        "dispute_amount": capture["amount"],
        "dispute_life_cycle_stage": stage,
        "seller_response_due_date": "2027-02-01T00:00:00.000Z",
        "links": [],
    }
    world.disputes[dispute_id] = dispute | changes
    _set_links(world, dispute_id)
    world.tell("CUSTOMER.DISPUTE.CREATED", "dispute", world.disputes[dispute_id])
    return dispute_id


def show(world: World, dispute_id: str) -> Words:
    if dispute_id not in world.disputes:
        raise not_found()
    return world.disputes[dispute_id]


def resolve(world: World, dispute_id: str, outcome: str, **changes: Any) -> None:
    dispute = show(world, dispute_id)
    dispute |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": outcome}, "update_time": world.now()}
    dispute |= changes
    _set_links(world, dispute_id)
    world.tell("CUSTOMER.DISPUTE.RESOLVED", "dispute", dispute)


def provide_evidence(world: World, dispute_id: str, content_type: str, body: bytes) -> Words:
    dispute = show(world, dispute_id)
    if dispute["status"] != "WAITING_FOR_SELLER_RESPONSE":
        raise unprocessable("INVALID_DISPUTE_STATUS")
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
    if "input" not in parts:
        raise invalid("MISSING_REQUIRED_PARAMETER", "/input")
    words = json.loads(parts["input"].get_payload(decode=True))
    if not words["evidences"] or not all(one.get("evidence_type") for one in words["evidences"]):
        raise invalid("MISSING_REQUIRED_PARAMETER", "/evidences")
    world.evidence.append((dispute_id, body))
    dispute |= {"status": "UNDER_REVIEW", "update_time": world.now()}
    _set_links(world, dispute_id)
    return {"links": dispute["links"]}


def accept_claim(world: World, dispute_id: str) -> Words:
    dispute = show(world, dispute_id)
    if dispute["status"] == "RESOLVED":
        raise unprocessable("INVALID_DISPUTE_STATUS")
    resolve(world, dispute_id, "RESOLVED_BUYER_FAVOUR")
    return {"links": dispute["links"]}


def _set_links(world: World, dispute_id: str) -> None:
    dispute = world.disputes[dispute_id]
    self_link = f"{ADDRESS}/v1/customer/disputes/{dispute_id}"
    dispute["links"] = [link("self", self_link)]
    if dispute["status"] == "WAITING_FOR_SELLER_RESPONSE":
        dispute["links"].append(link("accept_claim", f"{self_link}/accept-claim", "POST"))
        if dispute["dispute_life_cycle_stage"] != "INQUIRY":
            dispute["links"].append(link("provide_evidence", f"{self_link}/provide-evidence", "POST"))
