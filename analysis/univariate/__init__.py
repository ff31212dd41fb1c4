"""One effect per study: heterogeneity, pooled means, meta-regression and their diagnostics."""
