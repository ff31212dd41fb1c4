"""The types of `trial.yaml`. Field descriptions are the documentation and the editor's help."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from ibgap.base.labels import clean_label
from validations.manifest.columns import (
    ActionColumns,
    ArmColumns,
    CodingColumns,
    CorrelationColumns,
    EffectColumns,
    ParticipantColumns,
)
from validations.manifest.vocabulary import (
    AnalysisSet,
    ArmRole,
    BarrierDimension,
    Construct,
    CorrelationOrigin,
    DesignType,
    DisclosureProfile,
    FrameworkLayer,
    MeasuredBy,
    RobJudgment,
    ScaleType,
)
from validations.numbers import LARGEST_COUNT, LARGEST_MEASUREMENT

# Pydantic keeps a deprecated method called `construct` on every model; the field wins.
warnings.filterwarnings("ignore", message='Field name "construct"')

_MOST_PERSONS, _FARTHEST = LARGEST_COUNT, LARGEST_MEASUREMENT
"""Bounds of what a manifest declares: those of numbers in files."""

IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]*$")


class Strict(BaseModel):
    """Base of all parts: unknown keys are refused, values are not changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _identifier(value: str) -> str:
    if not IDENTIFIER.match(value):
        raise ValueError(
            f"{value!r} is not an identifier: use lower-case letters, digits and _, "
            "beginning with a letter"
        )
    return value


def _seen(value: str) -> str:
    if not value:
        raise ValueError("nothing that can be seen stands there; give a name")
    return value


Label = Annotated[str, AfterValidator(clean_label)]
"""Text that names something: it passes the same door as the labels of files."""
Name = Annotated[str, Field(min_length=1), AfterValidator(clean_label), AfterValidator(_seen)]
"""A label that must be given, and still be there behind that door."""

Identifier = Annotated[str, Field(description="lower-case letters, digits and _")]


class Design(Strict):
    """How the trial was run."""

    type: DesignType = Field(description="how participants came into the arms")
    randomized: bool = Field(default=True, description="whether arms were assigned at random")
    unit_of_randomization: Literal["individual", "cluster"] = Field(
        default="individual", description="what was randomized"
    )
    icc: float | None = Field(
        default=None, ge=0, le=1, description="intracluster correlation of a cluster trial"
    )
    mean_cluster_size: float | None = Field(
        default=None,
        ge=1,
        le=_MOST_PERSONS,
        description="mean number of analyzed participants per cluster",
    )
    clustering_already_adjusted: bool = Field(
        default=False, description="whether the reported numbers already allow for clustering"
    )


class Arm(Strict):
    """One group of the trial."""

    id: Identifier
    role: ArmRole = Field(description="experimental, or which kind of comparator")
    label: Label = Field(default="", description="name for tables and figures")
    n_randomized: int | None = Field(
        default=None, ge=0, le=_MOST_PERSONS, description="persons randomized to it"
    )

    _check_id = field_validator("id")(_identifier)


class FileFormat(Strict):
    """How to read a file when the defaults (comma, point, UTF-8, first sheet) are wrong."""

    # A tab is a delimiter, not white space around one.
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = Field(default=".", description="decimal sign of numbers")
    encoding: str = Field(default="utf-8", description="for example utf-8, latin-1 or cp1252")
    sheet: str | None = Field(default=None, description="sheet of a spreadsheet")
    header_row: int = Field(default=1, ge=1, description="row with the column names, from 1")


class _Source(Strict):
    id: Identifier
    file: str = Field(description="path below the trial folder")
    format: FileFormat = Field(default_factory=FileFormat)
    missing_codes: list[str] = Field(
        default_factory=list,
        description="texts that mean missing, besides an empty cell (NA, -99, ...)",
    )
    recode: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="per column of the file: text as found -> identifier of this manifest",
    )
    where: dict[str, list[str]] = Field(
        default_factory=dict,
        description="keep only rows whose column has one of these texts; others are counted",
    )
    fill_down: list[str] = Field(
        default_factory=list,
        description="columns whose empty cells repeat the cell above, as merged cells do",
    )
    may_be_empty: list[str] = Field(
        default_factory=list,
        description="columns of labels that a study leaves empty where it has nothing to tell "
        "apart (one comparison, one instrument)",
    )

    _check_id = field_validator("id")(_identifier)

    @field_validator("missing_codes", mode="before")
    @classmethod
    def _codes_as_text(cls, value: Any) -> Any:
        return [clean_label(str(code)) for code in value] if isinstance(value, list) else value

    @field_validator("recode", "where", mode="before")
    @classmethod
    def _keys_as_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            str(column): (
                {clean_label(str(k)): v for k, v in mapping.items()}
                if isinstance(mapping, dict)
                else [clean_label(str(v)) for v in mapping]
                if isinstance(mapping, list)
                else mapping
            )
            for column, mapping in value.items()
        }


class ParticipantSource(_Source):
    """One row per participant; which column holds which outcome is said at the outcome."""

    kind: Literal["participant_rows"]
    columns: ParticipantColumns


class ArmSource(_Source):
    """Means and SDs, or events, one set per arm. Wide tables name several `blocks` per row."""

    kind: Literal["arm_summaries"]
    blocks: list[ArmColumns] = Field(min_length=1)


class EffectSource(_Source):
    """Effects as printed, one or several per row."""

    kind: Literal["reported_effects"]
    blocks: list[EffectColumns] = Field(min_length=1)


class CorrelationSource(_Source):
    """Correlations of two variables with their n."""

    kind: Literal["correlations"]
    columns: CorrelationColumns


class ActionSource(_Source):
    """Counts of intended by acted, per arm."""

    kind: Literal["intention_by_action"]
    columns: ActionColumns


class CodingSource(_Source):
    """How often barriers were coded, by dimension and, where known, source and coder."""

    kind: Literal["barrier_codings"]
    columns: CodingColumns


Source = Annotated[
    ParticipantSource | ArmSource | EffectSource | CorrelationSource | ActionSource | CodingSource,
    Field(discriminator="kind"),
]


Blocks = Sequence[
    ArmColumns | EffectColumns | ParticipantColumns | CorrelationColumns | ActionColumns
    | CodingColumns
]  # fmt: skip


def blocks_of(source: Source) -> Blocks:
    """The sets of columns that each row of a source holds: several in wide tables, else one."""
    return source.blocks if isinstance(source, (ArmSource, EffectSource)) else [source.columns]


class Scale(Strict):
    """Values an outcome can take."""

    type: ScaleType
    min: float | None = Field(
        default=None, ge=-_FARTHEST, le=_FARTHEST, description="lowest possible score"
    )
    max: float | None = Field(
        default=None, ge=-_FARTHEST, le=_FARTHEST, description="highest possible score"
    )
    items: int | None = Field(
        default=None, ge=1, le=10_000, description="number of items in the score"
    )
    acted_values: list[str] = Field(
        default_factory=lambda: ["1"],
        description="for a binary outcome: texts that mean yes",
    )
    not_acted_values: list[str] = Field(
        default_factory=lambda: ["0"], description="for a binary outcome: texts that mean no"
    )

    @field_validator("acted_values", "not_acted_values", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return [clean_label(str(v)) for v in value] if isinstance(value, list) else value


class Timepoint(Strict):
    """When an outcome was measured."""

    label: Label = Field(default="", description="as the trial calls it")
    weeks: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="weeks since randomization (0 = immediately after)",
    )


class Outcome(Strict):
    """One measurement of one construct at one time."""

    id: Identifier
    construct: Construct = Field(  # type: ignore[assignment]
        description="what it measures, truthfully"
    )
    label: Label = Field(default="", description="name for tables and figures")
    instrument: Label = Field(default="", description="questionnaire, item, record or device")
    scale: Scale
    higher_is_better: bool = Field(
        description="whether a higher value is what the intervention wants (direction)"
    )
    target: Label = Field(default="", description="to whom or what (TACT)")
    action: Label = Field(default="", description="which act (TACT)")
    context: Label = Field(default="", description="in which situation (TACT)")
    time: Label = Field(default="", description="within which time (TACT)")
    timepoint: Timepoint = Field(default_factory=Timepoint)
    measured_by: MeasuredBy = MeasuredBy.NOT_REPORTED
    analysis_set: AnalysisSet = AnalysisSet.OBSERVED
    standardizer: Literal["pooled_sd", "control_sd", "not_reported"] = Field(
        default="pooled_sd", description="SD that standardizes a difference of means"
    )
    primary: bool = Field(
        default=True, description="whether it enters the pools (subscales usually do not)"
    )
    source: str = Field(default="", description="source with its participant rows")
    column: str = Field(default="", description="column with its values, for participant rows")
    item_columns: list[str] = Field(
        default_factory=list, description="columns of the items, for the scale's reliability"
    )
    arm_column: str = Field(
        default="", description="column with the arm at this time, when it differs"
    )
    baseline_column: str = Field(
        default="", description="column with the baseline value; the effect is then adjusted"
    )

    _check_id = field_validator("id")(_identifier)

    @property
    def columns(self) -> list[str]:
        """Columns of participant rows that belong to the outcome."""
        named = [self.column, self.arm_column, self.baseline_column, *self.item_columns]
        return [name for name in named if name]


class Comparison(Strict):
    """An intervention arm against a comparator arm."""

    intervention: str
    comparator: str
    primary: bool = Field(
        default=True,
        description="whether it may stand in the pools; the pools set a trial against one "
        "comparator, and never two interventions against each other",
    )


class Identity(Strict):
    """Another trial that is this one, or is not although it looks like it."""

    study: Label = Field(
        default="", description="label of the study, in a table of many trials; else this trial"
    )
    trial: str = Field(
        min_length=1, description="id of the other trial, as `ibgap findings` names it"
    )
    reason: str = Field(min_length=1, description="how that is known")


class PairCorrelation(Strict):
    """Correlation of the two outcomes of a pair."""

    value: float | None = Field(default=None, gt=-1, lt=1)
    n: float | None = Field(
        default=None, gt=3, le=_MOST_PERSONS, description="participants it rests on"
    )
    column: str = Field(default="", description="column of the source with one value per study")
    source: str = Field(default="", description="source that holds the column")
    origin: CorrelationOrigin


class Pair(Strict):
    """Upstream and behavior outcomes that belong together, where the default is not wanted."""

    upstream: str = Field(description="outcome id, usually of an intention")
    behavior: str = Field(description="outcome id of a behavior")
    correlation: PairCorrelation | None = None


class Moderator(Strict):
    """A property of the trial that may go with larger or smaller effects."""

    name: Identifier
    value: Label = Field(default="", description="the trial's value")
    column: str = Field(default="", description="column with one value per study of a review")
    source: str = Field(default="", description="source that holds the column")
    kind: Literal["category", "number"] = "category"
    barrier_dimension: BarrierDimension | None = None
    framework_layer: FrameworkLayer | None = None

    _check_name = field_validator("name")(_identifier)

    @field_validator("value", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, (int, float)) else value


class RiskOfBias(Strict):
    """Judgments by domain and overall."""

    tool: str = Field(default="RoB 2")
    overall: RobJudgment
    domains: dict[str, RobJudgment] = Field(default_factory=dict)
    assessor: str = ""


class Provenance(Strict):
    """Where the numbers come from and under which terms."""

    citation: str = Field(min_length=1, description="full reference")
    doi: str = ""
    registry_ids: list[str] = Field(
        default_factory=list, description="ids in trial registries, such as NCT01234567"
    )
    source: str = Field(min_length=1, description="where the file was taken from")
    license: str = Field(min_length=1, description="license of the data, or facts with citation")
    retrieved: str = Field(default="", description="date")
    changes: str = Field(default="", description="what was changed on the way")


class Disclosure(Strict):
    """How counts derived from this trial's participant rows are published."""

    profile: DisclosureProfile
    reason: str = Field(min_length=1, description="why, for example where the counts are public")


class Waiver(Strict):
    """A held effect that a named person lets into the pools."""

    rule: str
    subject: str = Field(default="", description="outcome id or outcome row id, or empty for all")
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    date: str = ""


class TrialManifest(Strict):
    """A trial, or a review-level table that holds many trials."""

    ibgap: Literal[1] = Field(description="version of the manifest format")
    id: Identifier
    label: Name = Field(description="Author et al. year")
    year: int | None = Field(default=None, ge=1900, le=2200)
    country: Label = Field(default="", description="ISO 3166 alpha-3 code")
    topic: Label = Field(default="", description="the behavior's domain, for example vaccination")
    synthesis: Identifier = Field(
        default="main",
        description="group of trials that are pooled together; name another to analyze apart",
    )
    upstream_construct: Construct = Field(
        default=Construct.INTENTION,
        description="construct set against behavior in this synthesis (main: intention)",
    )
    design: Design
    arms: list[Arm] = Field(default_factory=list)
    sources: list[Source] = Field(min_length=1)
    outcomes: list[Outcome] = Field(default_factory=list)
    comparisons: list[Comparison] = Field(
        default_factory=list, description="by default every intervention against every comparator"
    )
    pairs: list[Pair] = Field(default_factory=list)
    moderators: list[Moderator] = Field(default_factory=list)
    risk_of_bias: RiskOfBias | None = None
    provenance: Provenance
    disclosure: Disclosure | None = None
    waivers: list[Waiver] = Field(default_factory=list)
    same_as: list[Identity] = Field(
        default_factory=list,
        description="trials that report the same persons: they count, this one does not",
    )
    distinct_from: list[Identity] = Field(
        default_factory=list,
        description="trials that share a DOI, registry id, or label and numbers, and are others",
    )
    notes: str = ""

    _check_id = field_validator("id", "synthesis")(_identifier)

    def outcome(self, outcome_id: str) -> Outcome | None:
        """The outcome with this id."""
        return next((o for o in self.outcomes if o.id == outcome_id), None)

    def outcomes_in(self, source_id: str) -> list[Outcome]:
        """The outcomes whose values stand in this source of participant rows."""
        return [o for o in self.outcomes if o.column and o.source in ("", source_id)]

    def source(self, source_id: str) -> Source | None:
        """The source with this id."""
        return next((s for s in self.sources if s.id == source_id), None)

    @property
    def is_review(self) -> bool:
        """Whether its sources hold many trials."""
        return self.design.type in (DesignType.REVIEW, DesignType.CORRELATIONAL)
