"""What the database keeps of every change of a merchant's rows."""

import pghistory


def every_change() -> tuple[pghistory.RowEvent, ...]:
    """Fresh trackers for each model: pghistory binds an instance to the first model it meets. Their ``pgh_obj_id`` is
    the row's id, so ``id`` is left out of the history."""
    return pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent()
