SELECT * FROM read_parquet('release/tables/gap_estimates.parquet')
