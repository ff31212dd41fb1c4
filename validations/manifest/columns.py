"""Which column of a file means what, per kind of source.

Every field names a column of the file. A field that is the same for all rows can be given in
`values` instead, under the same name.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ibgap.base.labels import clean_label


class _Columns(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    values: dict[str, str] = Field(
        default_factory=dict, description="field -> the value it has in every row"
    )

    @field_validator("*")
    @classmethod
    def _no_empty_column(cls, value: Any) -> Any:
        names = value if isinstance(value, list) else [value]
        if any(name == "" for name in names):
            raise ValueError("a column name is empty; name a column of the file")
        return value

    @field_validator("values", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): clean_label(str(v)) for k, v in value.items()}
        return value

    def mapping(self) -> dict[str, list[str]]:
        """Field -> columns of the file (several only for `study`, whose texts are joined)."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "values"}
        return {
            name: columns if isinstance(columns, list) else [columns]
            for name, columns in fields.items()
            if columns
        }


class ParticipantColumns(_Columns):
    """Columns of participant rows besides the outcomes."""

    participant: str = Field(description="pseudonymous id, one per person")
    arm: str = Field(description="arm; texts are recoded to arm ids where they differ")
    cluster: str | None = Field(default=None, description="cluster of a cluster trial")


class _ComparisonColumns(_Columns):
    """Columns that tell studies, comparisons and measures of one table apart."""

    study: str | list[str] | None = Field(
        default=None, description="study, in a table of many trials; several columns are joined"
    )
    comparison: str | list[str] | None = Field(
        default=None, description="tells comparisons of a study apart"
    )
    instrument: str | list[str] | None = Field(
        default=None, description="tells measures of one outcome apart, such as scale names"
    )


class ArmColumns(_ComparisonColumns):
    """Columns of one arm's numbers."""

    arm: str | None = Field(default=None, description="arm id")
    outcome: str | None = Field(default=None, description="outcome id")
    weeks: str | None = Field(default=None, description="weeks since randomization")
    days: str | None = Field(default=None, description="days since randomization")
    timepoint: str | None = Field(default=None, description="label of the time")
    n: str | None = Field(default=None, description="persons analyzed")
    mean: str | None = None
    sd: str | None = None
    se: str | None = Field(default=None, description="standard error of the mean, if no SD")
    median: str | None = Field(default=None, description="median, if no mean")
    q1: str | None = Field(default=None, description="first quartile, with a median")
    q3: str | None = Field(default=None, description="third quartile, with a median")
    minimum: str | None = Field(default=None, description="lowest value, with a median")
    maximum: str | None = Field(default=None, description="highest value, with a median")
    events: str | None = Field(default=None, description="persons with the event")
    percent: str | None = Field(default=None, description="percent with the event, if no count")


class EffectColumns(_ComparisonColumns):
    """Columns of one printed effect, intervention minus comparator."""

    control_group: str | None = Field(
        default=None, description="rows of a study with the same text share their control group"
    )
    intervention: str | None = Field(default=None, description="intervention arm id")
    comparator: str | None = Field(default=None, description="comparator arm id")
    outcome: str | None = Field(default=None, description="outcome id")
    weeks: str | None = Field(default=None, description="weeks since randomization")
    days: str | None = Field(default=None, description="days since randomization")
    timepoint: str | None = Field(default=None, description="label of the time")
    statistic: str | None = Field(
        default=None, description="d, g, smd, t, F, p, r, md, adjusted_md, OR, RR or RD"
    )
    value: str | None = None
    se: str | None = None
    variance: str | None = None
    ci_lb: str | None = None
    ci_ub: str | None = None
    ci_level: str | None = Field(default=None, description="0.95 unless said")
    n1: str | None = Field(default=None, description="persons in the intervention group")
    n2: str | None = Field(default=None, description="persons in the comparator group")
    sd: str | None = Field(default=None, description="SD that standardizes a mean difference")
    p: str | None = None
    risk2: str | None = Field(default=None, description="share with the event, comparator group")
    favors: str | None = Field(
        default=None,
        description="intervention, comparator, or reversed (printed as comparator minus "
        "intervention)",
    )


class CorrelationColumns(_Columns):
    """Columns of a correlation."""

    study: str | list[str] | None = None
    variable_1: str = Field(description="outcome id")
    variable_2: str = Field(description="outcome id")
    r: str
    n: str


class ActionColumns(_Columns):
    """Columns of the four counts."""

    study: str | list[str] | None = None
    arm: str | None = None
    intention: str | None = Field(default=None, description="outcome id of the intention")
    behavior: str | None = Field(default=None, description="outcome id of the behavior")
    inclined_actors: str = Field(description="intended and acted")
    inclined_abstainers: str = Field(description="intended and did not act")
    disinclined_actors: str = Field(description="did not intend and acted")
    disinclined_abstainers: str = Field(description="did not intend and did not act")


class CodingColumns(_Columns):
    """Columns of a barrier coding table."""

    dimension: str
    layer: str | None = None
    source: str | None = Field(default=None, description="coded publication")
    coder: str | None = None
    n_sources: str | None = Field(default=None, description="publications coded into it")
    n_reference_points: str | None = Field(default=None, description="passages coded into it")
