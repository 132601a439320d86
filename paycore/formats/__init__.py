"""How dates are written, where Django's own way leaves out the time zone."""
