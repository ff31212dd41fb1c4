"""The trials as partitions of an instance: one per folder, so that each has a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

PARTITIONS = "trials"


def sync_partitions(instance: dg.DagsterInstance, names: Sequence[str]) -> None:
    """Register exactly these trials."""
    registered = set(instance.get_dynamic_partitions(PARTITIONS))
    for gone in sorted(registered - set(names)):
        instance.delete_dynamic_partition(PARTITIONS, gone)
    if new := [name for name in names if name not in registered]:
        instance.add_dynamic_partitions(PARTITIONS, new)
