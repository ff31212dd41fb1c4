"""What a trial and a table promise: manifests, declared schemas, rules, findings, disclosure.

Nothing here computes an effect; nothing here knows Dagster or DuckDB. Great Expectations is
imported in `expectations.py` alone.
"""
