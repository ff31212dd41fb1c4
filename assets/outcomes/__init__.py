"""From accepted rows to outcome rows: numbers per arm, aggregates of participants, comparisons."""
