"""From a trial folder to records: reading files as text and finding the declared columns."""
