"""Small-study effects and selective reporting."""
