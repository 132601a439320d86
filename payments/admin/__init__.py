"""The consoles' pages about money: staff at ``/ops/``, a merchant's people at ``/merchant/``.

Nothing here edits money. Pages show; what may be done is an action, and an action is one call of a service.
"""
# LEAD'S NOTE to the admins helper: your imports were switched off because every other helper's Django failed to start
# while the modules were missing. Write the modules first, then put the imports back as the LAST step.
