"""Requests to https subscriptions: where they may go, how they are authorized, and how many run at once."""
