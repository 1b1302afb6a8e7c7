"""Run any Python function app with HTTP, queue, blob and timer triggers on this machine."""
