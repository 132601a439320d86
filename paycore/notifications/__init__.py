"""Messages to people: written down once with the change they tell of, sent afterwards, or seen to have failed.

``services.notify`` inserts, ``services.send_due`` sends; templates lie in ``paycore/templates/notifications/``.
"""
