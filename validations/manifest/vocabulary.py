"""The closed vocabularies of a manifest; each word once, with its meaning."""

from __future__ import annotations

from enum import StrEnum


class Construct(StrEnum):
    """What an outcome measures. Only `intention` is intention and only `behavior` is behavior;
    everything else is an upstream construct and is always called by its own name."""

    INTENTION = "intention"
    BEHAVIOR = "behavior"
    ATTITUDE = "attitude"
    PERCEIVED_NORM = "perceived_norm"
    PERCEIVED_CONTROL = "perceived_control"
    SELF_EFFICACY = "self_efficacy"
    KNOWLEDGE = "knowledge"
    IDEAS = "ideas"
    MOTIVATION = "motivation"
    COMPETENCE = "competence"
    READINESS = "readiness"
    WILLINGNESS = "willingness"
    COMMITMENT = "commitment"
    SELF_STIGMA = "self_stigma"
    PUBLIC_STIGMA = "public_stigma"
    BARRIER = "barrier"
    SYMPTOM_SEVERITY = "symptom_severity"


class ArmRole(StrEnum):
    """Role of an arm; the first two are interventions, the rest comparators."""

    EXPERIMENTAL = "experimental"
    ACTIVE_COMPARATOR = "active_comparator"
    ATTENTION_CONTROL = "attention_control"
    USUAL_CARE = "usual_care"
    WAITLIST = "waitlist"
    NO_INTERVENTION = "no_intervention"
    CONTROL = "control"


class DesignType(StrEnum):
    """How participants came into the arms."""

    PARALLEL = "parallel"
    CLUSTER = "cluster"
    CROSSOVER = "crossover"
    FACTORIAL = "factorial"
    STEPPED_WEDGE = "stepped_wedge"
    NONRANDOMIZED = "nonrandomized"
    CORRELATIONAL = "correlational"
    REVIEW = "review"
    CODING = "coding"


class SourceKind(StrEnum):
    """What the rows of a data file are."""

    PARTICIPANT_ROWS = "participant_rows"
    ARM_SUMMARIES = "arm_summaries"
    REPORTED_EFFECTS = "reported_effects"
    CORRELATIONS = "correlations"
    INTENTION_BY_ACTION = "intention_by_action"
    BARRIER_CODINGS = "barrier_codings"


class ScaleType(StrEnum):
    """Kind of values an outcome takes."""

    CONTINUOUS = "continuous"
    ORDINAL = "ordinal"
    BINARY = "binary"


class MeasuredBy(StrEnum):
    """Who says so: behavior that was recorded is not behavior that was reported."""

    SELF_REPORT = "self_report"
    RECORD = "record"
    CLINICIAN = "clinician"
    OBSERVED = "observed"
    MIXED = "mixed"
    NOT_REPORTED = "not_reported"


class AnalysisSet(StrEnum):
    """Which participants a number rests on."""

    ALL_RANDOMIZED = "all_randomized"
    OBSERVED = "observed"
    COMPLETERS = "completers"
    PER_PROTOCOL = "per_protocol"
    NOT_REPORTED = "not_reported"


class CorrelationOrigin(StrEnum):
    """Where the correlation of intention with behavior comes from, best first."""

    PARTICIPANT_DATA = "participant_data"
    REPORTED_WITHIN_ARM = "reported_within_arm"
    REPORTED_TOTAL = "reported_total"
    BORROWED = "borrowed"
    ASSUMED = "assumed"


class BarrierDimension(StrEnum):
    """The five dimensions of barriers to seeking help."""

    INDIVIDUAL_PSYCHOLOGICAL = "individual_psychological"
    COGNITIVE = "cognitive"
    SOCIO_CULTURAL = "socio_cultural"
    STRUCTURAL = "structural"
    DIGITAL_ENVIRONMENT = "digital_environment"


class FrameworkLayer(StrEnum):
    """The four layers in which barriers act."""

    INPUT = "input"
    ATTITUDE_INTENTION = "attitude_intention"
    MODERATING = "moderating"
    OUTPUT = "output"


class RobJudgment(StrEnum):
    """Overall or domain judgment of risk of bias."""

    LOW = "low"
    SOME_CONCERNS = "some_concerns"
    HIGH = "high"
    NO_INFORMATION = "no_information"


class DisclosureProfile(StrEnum):
    """How counts derived from participant rows are published."""

    ROUNDED = "rounded"
    BASIC = "basic"
    NONE = "none"
    PUBLISHED = "published"


REPORTED_STATISTICS = ("d", "g", "smd", "t", "F", "p", "r", "md", "adjusted_md", "OR", "RR", "RD")
"""Statistics a reported effect can be; the analysis has a formula for each."""
