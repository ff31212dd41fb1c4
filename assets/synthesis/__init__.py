"""Over all trials: the tables of pooled results."""
