"""Runs migrations written in Python: CPython in a component, with the script's text from the host."""
