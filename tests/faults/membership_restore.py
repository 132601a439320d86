"""A backup of the whole database, and going back to it: what was done since is lost here and known to the provider."""

from dataclasses import dataclass

from django.db import connection, connections

from paycore.fresh import forget_everything


@dataclass
class Backup:
    """Nobody else may be connected while it is taken; whoever is when it is restored is thrown out."""

    of: str = ""

    def take(self) -> None:
        self.of = str(connection.settings_dict["NAME"])
        connections.close_all()
        self._do(f"DROP DATABASE IF EXISTS {self.name}", f"CREATE DATABASE {self.name} TEMPLATE {self.of}")

    def restore(self) -> None:
        connections.close_all()
        self._do(f"DROP DATABASE {self.of} WITH (FORCE)", f"ALTER DATABASE {self.name} RENAME TO {self.of}")
        forget_everything()

    @property
    def name(self) -> str:
        return f"{self.of}_backup"

    def _do(self, *statements: str) -> None:
        with connection._nodb_cursor() as cursor:  # to the server, not the database
            for statement in statements:
                cursor.execute(statement)
