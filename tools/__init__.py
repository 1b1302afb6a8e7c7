"""What `dev.py` runs on a developer's machine; none of it is deployed."""
