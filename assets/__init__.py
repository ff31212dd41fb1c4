"""Which tables exist and what each is made of: thin Dagster assets over plain functions.

`sources` turns a trial folder into records, `tables` records into tables; neither knows
Dagster or DuckDB. The modules of this folder itself hold the assets.
"""
