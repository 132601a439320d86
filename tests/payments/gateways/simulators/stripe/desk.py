"""Disputes, files and reports of the simulated Stripe."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

from tests.payments.gateways.simulators.stripe import objects
from tests.payments.gateways.simulators.stripe.book import Book
from tests.payments.gateways.simulators.stripe.objects import Object
from tests.payments.gateways.simulators.stripe.problems import Problem

_DECIMALS = {
    **dict.fromkeys(
        ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"), 0
    ),
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3),
}
KNOWN_COLUMNS = frozenset(
    {
        "balance_transaction_id",
        "created",
        "available_on",
        "currency",
        "gross",
        "fee",
        "net",
        "reporting_category",
        "source_id",
        "description",
        "customer_facing_amount",
        "customer_facing_currency",
        "automatic_payout_id",
        "charge_id",
        "payment_intent_id",
    }
)


class Desk:
    def __init__(self, book: Book) -> None:
        self.book = book
        self.files: dict[str, bytes] = {}
        self.is_report_slow = False

    def open_dispute(self, of: Object, *, amount: int, reason: str, status: str) -> Object:
        made = objects.dispute(
            self.book.new_id("dp"), of, amount=amount, reason=reason, status=status, created=self.book.now
        )
        self.book.keep(made)
        if not status.startswith("warning"):
            moved = self.book.moved(made["id"], amount=-amount, fee=1500, currency=of["currency"], category="dispute")
            made["balance_transactions"].append(moved)
        self.book.tell("charge.dispute.created", made)
        return made

    def warn_of_fraud(self, of: Object) -> Object:
        made = self.book.keep(
            {
                "id": self.book.new_id("issfr"),
                "object": "radar.early_fraud_warning",
                "actionable": True,
                "charge": of["id"],
                "created": self.book.now,
                "fraud_type": "misc",
                "livemode": False,
                "payment_intent": of["payment_intent"],
            }
        )
        self.book.tell("radar.early_fraud_warning.created", made)
        return made

    def answer_dispute(self, dispute: Object, said: Object) -> Object:
        if dispute["status"] in ("won", "lost", "under_review") and said.get("submit") == "true":
            raise Problem(400, "", "This dispute can no longer be answered.")
        for field, value in said.get("evidence", {}).items():
            if field in ("receipt", "shipping_documentation", "customer_communication", "refund_policy"):
                self.book.get(value, "file", param=f"evidence[{field}]")
            dispute["evidence"][field] = value
        dispute["evidence_details"]["has_evidence"] = bool(dispute["evidence"])
        if said.get("submit") == "true":
            dispute["evidence_details"]["submission_count"] += 1
            dispute["status"] = "under_review"
            self.book.tell("charge.dispute.updated", dispute)
        return dispute

    def end_dispute(self, dispute: Object, status: str) -> Object:
        if dispute["status"] in ("won", "lost"):
            raise Problem(400, "", "This dispute is already closed.")
        dispute["status"] = status
        self.book.tell("charge.dispute.closed", dispute)
        return dispute

    def store_file(self, *, name: str, body: bytes, purpose: str) -> Object:
        made = self.book.keep(
            {
                "id": self.book.new_id("file"),
                "object": "file",
                "created": self.book.now,
                "expires_at": None,
                "filename": name,
                "purpose": purpose,
                "size": len(body),
                "title": None,
                "type": name.rpartition(".")[2],
                "url": f"https://files.stripe.com/v1/files/{name}/contents",
            }
        )
        self.files[made["id"]] = body
        return made

    def run_report(self, said: Object) -> Object:
        parameters = said["parameters"]
        columns = parameters["columns"]
        unknown = [name for name in columns if name not in KNOWN_COLUMNS and not name.endswith("]")]
        if unknown or int(parameters["interval_end"]) > self.data_available_end():
            raise Problem(400, "", f"The report cannot be run ({unknown or 'no data yet'}).", param="parameters")
        parameters = {**parameters, "interval_start": int(parameters["interval_start"])}
        parameters["interval_end"] = int(parameters["interval_end"])
        return self.book.keep(
            {
                "id": self.book.new_id("frr"),
                "object": "reporting.report_run",
                "created": self.book.now,
                "error": None,
                "livemode": False,
                "parameters": parameters,
                "report_type": said["report_type"],
                "result": None,
                "status": "pending",
                "succeeded_at": None,
            }
        )

    def data_available_end(self) -> int:
        """The end of yesterday."""
        return self.book.now // 86_400 * 86_400

    def finish_reports(self) -> None:
        for run in self.book.all_of("reporting.report_run"):
            if run["status"] == "pending":
                run["result"] = self.store_file(
                    name="report.csv", body=self._report(run["parameters"]), purpose="finance_report_run"
                )
                run |= {"status": "succeeded", "succeeded_at": self.book.now}

    def _report(self, parameters: Object) -> bytes:
        out = io.StringIO()
        writer = csv.DictWriter(out, parameters["columns"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for moved in reversed(self.book.all_of("balance_transaction")):
            if parameters["interval_start"] <= moved["created"] < parameters["interval_end"]:
                row = self._row(moved)
                writer.writerow({name: row.get(name, "") for name in parameters["columns"]})
        return out.getvalue().encode()

    def _row(self, moved: Object) -> dict[str, str]:
        source = self.book.things[moved["source"]]
        made = source if source["object"] == "charge" else self.book.things[source["charge"]]
        intent = self.book.things[made["payment_intent"]]
        created = datetime.fromtimestamp(moved["created"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        sign = -1 if moved["amount"] < 0 else 1
        facing = source["amount"] if source["object"] != "charge" else made["amount_captured"]
        row = {
            "balance_transaction_id": moved["id"],
            "created": created,
            "currency": moved["currency"],
            "reporting_category": moved["reporting_category"],
            "source_id": moved["source"],
            "customer_facing_amount": _major(sign * facing, intent["currency"]),
            "customer_facing_currency": intent["currency"],
            "charge_id": made["id"],
            "payment_intent_id": intent["id"],
        }
        row |= {
            name: _major(moved[key], moved["currency"])
            for name, key in (("gross", "amount"), ("fee", "fee"), ("net", "net"))
        }
        row |= {f"payment_metadata[{name}]": value for name, value in intent["metadata"].items()}
        if source["object"] == "refund":
            row |= {f"refund_metadata[{name}]": value for name, value in source["metadata"].items()}
        return row


def _major(amount: int, currency: str) -> str:
    decimals = _DECIMALS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-decimals):f}"
