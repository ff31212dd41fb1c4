"""Effects of one trial together: correlations, covariances, pairs of upstream and behavior."""
