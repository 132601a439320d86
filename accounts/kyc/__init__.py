"""How well a person is known: a verified phone number, then an identity document that staff looked at."""
