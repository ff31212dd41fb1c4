"""The effects of a stack on one construct, in the forms that pools, checks and comparisons need."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.composites import Composites, make_composites
from analysis.synthesis.stack import Stack, having


@dataclass(frozen=True)
class Outcome:
    """The effects on one construct: as a stack, as blocks and as one composite per trial."""

    construct: str
    stack: Stack
    blocks: EffectBlocks
    composites: Composites


def outcome_of(stack: Stack, construct: str) -> Outcome | None:
    """The effects of a stack on a construct; None without any."""
    part = stack.select(having("construct", construct))
    if not part.trials:
        return None
    blocks = part.blocks([construct])
    return Outcome(construct, part, blocks, make_composites(blocks))
