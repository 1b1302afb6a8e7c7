"""What `dev.py bench` measures: each figure beside its peer or its limit, in one run."""
