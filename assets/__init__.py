"""Which tables exist and what each is made of: one room per station, thin Dagster assets over
plain functions.

`staging` turns a trial folder into records, `screening` splits them, `outcomes`, `effects` and
`pairs` turn them into numbers, `journey` is that road of one trial in one piece; `synthesis` and
`release` look at all trials. The functions know neither Dagster nor DuckDB.
"""
