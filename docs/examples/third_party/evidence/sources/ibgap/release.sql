SELECT * FROM read_parquet('release/tables/release.parquet')
