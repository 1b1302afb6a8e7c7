"""Tests of infra/: a package, so that its fixtures have a name of their own beside those of tests/."""
