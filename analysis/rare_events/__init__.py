"""Rare events and small counts: Mantel-Haenszel, Peto and mixed models of the counts themselves,
which need nothing added to zeros."""
