"""What staff do to memberships, one by one or many at once: with a reason, and a second person where it matters."""
