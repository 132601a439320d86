"""Families and teams: places in one membership, for people beside its owner."""
