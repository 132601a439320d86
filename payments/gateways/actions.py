"""What a payer must do, as rows keep it and the API shows it."""

from typing import Any

from payments.gateways.contract import NextAction

OF_THE_PAYER = frozenset({"customer", "customer_session", "ephemeral_key"})
"""They open what the payer saved at the provider, with whichever merchant: for the payer's own eyes."""


def action_as_row(action: NextAction | None) -> dict[str, Any] | None:
    if action is None:
        return None
    return {
        "kind": str(action.kind),
        "url": action.url,
        "qr_text": action.qr_text,
        "app_parameters": dict(action.app_parameters),
        "expires_at": action.expires_at.isoformat() if action.expires_at else None,
    }


def action_for_others(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """As anybody but the payer may see it."""
    if not row:
        return row
    parameters = {name: value for name, value in row["app_parameters"].items() if name not in OF_THE_PAYER}
    return {**row, "app_parameters": parameters}
