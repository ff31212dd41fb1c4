"""The road of one trial, from its folder to effects, pairs, checks and findings."""
