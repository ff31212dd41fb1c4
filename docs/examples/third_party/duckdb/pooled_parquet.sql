-- Run beside a copy of one release:  duckdb -box < pooled_parquet.sql
SELECT construct, k_trials, round(mu, 3) AS mu, round(ci_lb, 3) AS ci_lb,
       round(ci_ub, 3) AS ci_ub, bar(mu, 0, 0.5, 30) AS chart
FROM read_parquet('release/tables/pooled_effects.parquet')
WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND measure = 'SMD'
  AND construct IN ('intention', 'behavior')
ORDER BY construct DESC;

SELECT round(estimate, 3) AS difference, round(ci_lb, 3) AS ci_lb, round(ci_ub, 3) AS ci_ub,
       interval_kind, k_paired, status
FROM read_parquet('release/tables/gap_estimates.parquet')
WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND estimand = 'difference';
