"""The ports that `dev.py run` takes by default, where the other commands look for the app."""

DEFAULT_PORT = 7071
DEFAULT_STORAGE_PORT = 10000
LARGEST_PORT = 65535
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
