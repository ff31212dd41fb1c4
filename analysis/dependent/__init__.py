"""Several effects per trial: covariances, multilevel and multivariate models, robust inference."""
