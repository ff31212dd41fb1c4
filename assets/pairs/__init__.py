"""Effects of one trial together: correlations, covariances, pairs of upstream construct and behavior."""
