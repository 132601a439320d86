"""What people agreed to, in which version and when; never changed afterwards, only followed by a withdrawal."""
