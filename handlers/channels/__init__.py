"""The channels: each turns an arrival into a Delivery, and the outcome into its own response."""
