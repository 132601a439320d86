"""What can go wrong before paycore runs, in words for the person at the keyboard."""


class EmbeddedError(Exception):
    """Something this machine lacks or refuses; the message says what to do about it."""


class StopRequested(EmbeddedError):
    """Somebody asked us to stop while something was still starting."""

    def __init__(self) -> None:
        super().__init__("Stopped before everything had started.")
