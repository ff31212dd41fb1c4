SELECT estimate, ci_lb, ci_ub, interval_kind, k_paired, status
FROM gap_estimates
WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND estimand = 'difference'
