"""Faults that reporting makes, planted one at a time, each with the finding it must lead to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ibgap.simulation import faults_of_files as files
from ibgap.simulation import faults_of_numbers as numbers
from ibgap.simulation.design import Random, one_of
from ibgap.simulation.draft import Draft
from ibgap.simulation.plan import Plan
from ibgap.simulation.truth import PlantedDefect

Files = dict[str, bytes]
Fault = Callable[[Draft], Files | None]


@dataclass(frozen=True)
class Defect:
    """what: in a person's words. rule: of the finding it leads to. fault: gives the files with
    the fault in them, or None where the folder has nothing that could have it."""

    what: str
    rule: str
    fault: Fault


def plant(
    random: Random, draft: Draft, plan: Plan, names: tuple[str, ...] = ()
) -> tuple[Files, PlantedDefect | None]:
    """The files of a draft with a fault that it can have (of those named, else of all)."""
    known = [name for name in names or DEFECTS if name != "direction_reversed" or _shows(plan)]
    while known:
        name = one_of(random, known)
        known.remove(name)
        defect = DEFECTS[name]
        faulty = defect.fault(draft)
        if faulty is not None:
            return faulty, PlantedDefect(name, defect.what, (defect.rule,))
    return draft.files(), None


def _shows(plan: Plan) -> bool:
    """Whether intention and behavior go together so strongly that a reversed one is seen."""
    return plan.within_arm_correlation >= 0.35 and plan.persons[0] >= 200


DEFECTS: dict[str, Defect] = {
    "file_missing": Defect("the data file is not there", "file_missing", files.file_missing),
    "header_missing": Defect("the file has no header", "header_missing", files.header_missing),
    "encoding_wrong": Defect("the file is latin-1", "encoding_wrong", files.encoding_wrong),
    "delimiter_wrong": Defect(
        "cells end at semicolons", "delimiter_wrong", files.delimiter_wrong),
    "row_ragged": Defect("a row has a cell too many", "file_ragged", files.row_ragged),
    "column_renamed": Defect(
        "a column has another name", "column_missing", files.column_renamed),
    "bracket_open": Defect(
        "a bracket of the manifest stays open", "manifest_not_yaml", files.bracket_open),
    "manifest_missing": Defect(
        "there is no trial.yaml", "manifest_missing", files.manifest_missing),
    "unknown_key": Defect("lable stands for label", "manifest_unknown_key", files.unknown_key),
    "origin_missing": Defect(
        "there is no provenance", "manifest_missing_key", files.origin_missing),
    "design_misspelled": Defect(
        "the design is paralel", "manifest_wrong_value", files.design_misspelled),
    "other_id": Defect("the id is not the folder's name", "manifest_id_is_folder", files.other_id),
    "arm_unknown": Defect("a row has a text that is no arm", "arm_declared", numbers.arm_unknown),
    "value_out_of_scale": Defect(
        "a score lies above the scale", "value_within_scale", numbers.value_out_of_scale),
    "person_twice": Defect("a person stands twice", "row_unique", numbers.person_twice),
    "number_unreadable": Defect(
        "a letter stands in a number", "number_readable", numbers.number_unreadable),
    "neither_yes_nor_no": Defect(
        "an answer is perhaps", "value_yes_or_no", numbers.neither_yes_nor_no),
    "events_above_n": Defect(
        "more events than persons", "events_within_n", numbers.events_above_n),
    "sd_impossible": Defect(
        "an SD is ten times as large", "sd_possible_on_scale", numbers.sd_impossible),
    "mean_outside": Defect(
        "a mean lies above the scale", "mean_within_scale", numbers.mean_outside),
    "error_as_sd": Defect(
        "standard errors are given as SDs", "effect_implausibly_large", numbers.error_as_sd),
    "limits_swapped": Defect(
        "lower and upper limit are swapped", "limits_in_order", numbers.limits_swapped),
    "value_outside_limits": Defect(
        "a value is misprinted", "value_within_limits", numbers.value_outside_limits),
    "ratio_as_logarithm": Defect(
        "a ratio is given as its logarithm", "ratio_above_zero", numbers.ratio_as_logarithm),
    "direction_reversed": Defect(
        "higher_is_better is wrong", "direction_doubtful", numbers.direction_reversed),
    "direction_contradicted": Defect(
        "higher_is_better is against the report", "direction_contradicted",
        numbers.direction_contradicted),
    "clusters_untold": Defect(
        "a cluster trial has no ICC", "clustering_unaccounted", numbers.clusters_untold),
    "more_analyzed": Defect(
        "more persons are analyzed than randomized", "analyzed_more_than_randomized",
        numbers.more_analyzed),
}  # fmt: skip
