"""From outcome rows to effects, and which of them the pools take."""
