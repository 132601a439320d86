"""Providers as their documents describe them: stateful, signing, in this process or on a loopback port."""
