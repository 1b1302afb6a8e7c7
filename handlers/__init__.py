"""What is done with an event: take custody, pass on, keep the ledger."""
