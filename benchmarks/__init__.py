"""What is timed, against what (docs/benchmarks.md). One module a measure: ``make bench-pay`` runs ``pay``."""
