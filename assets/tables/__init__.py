"""From accepted records to the published tables: pure functions on pandas frames."""
