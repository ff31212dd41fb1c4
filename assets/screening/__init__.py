"""Rows of records, split into accepted and rejected, with a reason for each rejection."""
