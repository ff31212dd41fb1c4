"""Van Houwelingen, Arends and Stijnen (2002, Stat Med 21:589): bivariate model of the log odds of
tuberculosis in the vaccinated and the control arms of 13 trials, maximum likelihood. The arms are
independent, so the within-study covariance is 0."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.gap.joint import fit_joint
from analysis.gap.surrogacy import trial_level_surrogacy

from .trial_tables import printed

DATA = Path(__file__).parents[1] / "reference" / "oracle" / "data"


def test_line_of_vaccinated_on_control() -> None:
    counts = pd.read_csv(DATA / "bcg_counts.csv")
    events, others = counts[["ci", "ai"]].to_numpy(float), counts[["di", "bi"]].to_numpy(float)
    model = fit_joint(
        np.log(events / others).ravel(), (1.0 / events + 1.0 / others).ravel(),
        np.repeat(np.arange(13), 2).tolist(), ["control", "vaccinated"] * 13,
        upstream="control", behavior="vaccinated", method="ML",
    )  # fmt: skip
    tau = model.fit.tau
    line = trial_level_surrogacy(model)
    assert list(model.means) == [printed(-4.0960, 4), printed(-4.8337, 4)]
    assert [tau[1, 1], tau[0, 1], tau[0, 0]] == [
        printed(1.4314, 4), printed(1.7573, 4), printed(2.4073, 4),
    ]  # fmt: skip
    assert tau[0, 1] / math.sqrt(tau[0, 0] * tau[1, 1]) == printed(0.9467, 4)
    assert (line.slope, line.intercept) == (printed(0.7300, 4), printed(-1.8437, 4))
    assert (line.r2, line.residual_variance) == (printed(0.896, 3), printed(0.149, 3))
    assert line.status == "ok"
