-- Run beside a copy of one release:  duckdb -readonly -box release/ibgap.duckdb < pooled_database.sql
SELECT construct, k_trials, round(mu, 3) AS mu, round(ci_lb, 3) AS ci_lb,
       round(ci_ub, 3) AS ci_ub, bar(mu, 0, 0.5, 30) AS chart
FROM pooled_effects
WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND measure = 'SMD'
  AND construct IN ('intention', 'behavior')
ORDER BY construct DESC;

SELECT round(estimate, 3) AS difference, round(ci_lb, 3) AS ci_lb, round(ci_ub, 3) AS ci_ub,
       interval_kind, k_paired, status
FROM gap_estimates
WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND estimand = 'difference';
