"""The ports that `dev.py run` takes by default, where the other commands look for the app."""

PORT = 7071
STORAGE_PORT = 10000
LARGEST_PORT = 65535
URL = f"http://127.0.0.1:{PORT}"
