"""The ways to arrive: each turns an arrival into a Delivery, and the outcome into its own answer."""
