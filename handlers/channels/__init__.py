"""The ways to arrive: each makes a Delivery of an arrival, and its own answer of what came of it."""
