"""The asset of the files that were read."""

from assets.contracts import contract_check
from assets.journey.asset import table_of_journeys

files_read = table_of_journeys(
    "files_read",
    "Every file that was read: what it holds, how it was read, what was used of it.",
)

ASSETS = [files_read]
CHECKS = [contract_check(files_read.key)]
