"""When a script's fault strikes."""

from payments.gateways.sandbox.provider.book import Book
from payments.gateways.sandbox.provider.scripts import Script

# Faults that strike before anything happens; the others let it happen and then spoil the answer.
FAULTS_BEFORE_EFFECT = ("timeout_before_effect", "error_5xx_before_effect", "unavailable", "reject")


def next_fault(book: Book, script: Script, *, operation: str, reference: str) -> str:
    """The fault to play now, counted in the book, or empty."""
    fault = script.faults.get(operation)
    if fault is None or book.count_fault(reference, operation) > fault.times:
        return ""
    return fault.kind
