"""The life of an identity check as a table."""

from paycore.states import StateTable

KYC_CASE_STATES = StateTable(
    name="identity_check",
    initial="submitted",
    transitions={
        "submitted": ("approved", "rejected"),
        "approved": ("revoked",),
    },
    final=frozenset({"approved", "rejected", "revoked"}),
)
