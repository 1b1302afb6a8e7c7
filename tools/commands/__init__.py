"""One file for each command of `dev.py`."""
