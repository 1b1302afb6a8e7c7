"""The ways to arrive: each turns an arrival into a Delivery, and the Receipt or the error into its own answer."""
