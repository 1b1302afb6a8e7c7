"""The ports that `dev.py run` takes by itself, and where the other commands look by themselves."""

PORT = 7071
STORAGE_PORT = 10000
URL = f"http://127.0.0.1:{PORT}"
