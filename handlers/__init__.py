"""What is done with an event: take custody, hand on, keep the account."""
