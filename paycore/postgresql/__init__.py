"""Django's PostgreSQL backend with a cheaper look at whether an idle connection still lives."""
