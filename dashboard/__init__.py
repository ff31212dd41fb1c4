"""Pages on a release; reads published files only."""
