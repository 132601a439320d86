"""Percentiles by nearest rank."""

from collections.abc import Sequence


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds; empty for an empty sequence."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {f"p{part}": ordered[min(len(ordered) - 1, len(ordered) * part // 100)] * 1000 for part in (50, 95, 99)}
