"""``ENGINE = "paycore.postgresql"``: Django's own backend, but for one question."""

import select

from django.db.backends.postgresql.base import DatabaseWrapper as PostgresqlWrapper


class DatabaseWrapper(PostgresqlWrapper):
    """Django asks a kept connection ``SELECT 1`` before each request: a round trip on every payment.

    An idle connection has nothing to say. If its socket can be read, the server closed it (or is about to): it is
    dead. That finds a restarted server as surely, without asking.
    """

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)
