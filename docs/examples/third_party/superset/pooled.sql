SELECT construct, k_trials, mu, ci_lb, ci_ub, pi_lb, pi_ub, status
FROM pooled_effects
WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND measure = 'SMD'
  AND construct IN ('intention', 'behavior')
