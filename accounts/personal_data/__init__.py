"""Everything that is kept about a person: shown to them as one archive, and erased where no law keeps it."""
