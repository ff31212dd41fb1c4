SELECT * FROM read_parquet('release/tables/pooled_effects.parquet')
