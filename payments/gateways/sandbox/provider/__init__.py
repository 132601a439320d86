"""The sandbox provider: a separate program with its own book, words and secrets. It knows nothing of paycore."""
