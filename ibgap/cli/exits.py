"""Exit codes by meaning."""

OK = 0
"""Everything worked and nothing was set aside."""
USAGE = 2
"""The command was called with something impossible."""
NO_RELEASE = 3
"""No release was made, or there is none to read; the last one stays."""
SET_ASIDE = 4
"""It worked, but trials, rows or effects were set aside (see the findings)."""
BUSY = 5
"""Another refresh is running."""
DAMAGED = 6
"""A release, or the link to the current one, is not as it was published."""
