"""What a multivariate fit offers, under the names of the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.dependent.multivariate import MultivariateFit
from analysis.dependent.robust import RobustCovariance, robust_covariance, wald_test
from analysis.univariate.heterogeneity import fit_statistics
from analysis.univariate.meta_regression import describe_coefficients

LEVEL = 0.95


def wald_table(prefix: str, beta: ArrayLike, vcov: ArrayLike, df: ArrayLike) -> dict[str, Any]:
    """Estimates with standard errors, tests and limits as `prefix.beta`, `prefix.se`, ..."""
    estimate = np.asarray(beta, dtype=float)
    names = [str(i) for i in range(estimate.size)]
    c = describe_coefficients(names, estimate, np.sqrt(np.diag(vcov)), df, LEVEL)
    return {
        f"{prefix}.beta": c.estimate, f"{prefix}.se": c.se, f"{prefix}.stat": c.statistic,
        f"{prefix}.pval": c.pvalue, f"{prefix}.ci_lb": c.ci_lb, f"{prefix}.ci_ub": c.ci_ub,
    }  # fmt: skip


def model_based(fit: MultivariateFit) -> dict[str, Any]:
    df = float(fit.blocks.k - fit.blocks.p)
    z = wald_table("z", fit.beta, fit.vb, math.inf)
    t = wald_table("t", fit.beta, fit.vb, df)
    return {"ll": fit.loglik, "vb": fit.vb} | z | t


def _satterthwaite(robust: RobustCovariance, p: int) -> np.ndarray:
    return np.array([robust.df(contrast) for contrast in np.eye(p)])


def cluster_robust(fit: MultivariateFit) -> dict[str, Any]:
    """All corrections; `metafor_adjusted` is what metafor's `robust()` reports."""
    p = fit.blocks.p
    cr2 = robust_covariance(fit, "CR2")
    df = _satterthwaite(cr2, p)
    table = wald_table("CR2", fit.beta, cr2.vcov, df)
    cr1p = robust_covariance(fit, "CR1p")
    df_cr1p = cr1p.df(np.eye(p)[0])
    adjusted = wald_table("a", fit.beta, cr1p.vcov, df_cr1p)
    return {
        "CR2_vcov": cr2.vcov,
        "CR2_se": cr2.se,
        "CR2_t": table["CR2.stat"],
        "CR2_df": df,
        "CR2_p": table["CR2.pval"],
        "CR2_ci_lb": table["CR2.ci_lb"],
        "CR2_ci_ub": table["CR2.ci_ub"],
        **{
            f"{name}_se": robust_covariance(fit, name).se
            for name in ("CR0", "CR1", "CR1p", "CR1S", "CR3")
        },
        "metafor_adjusted_se": cr1p.se,
        "metafor_adjusted_df": df_cr1p,
        "metafor_adjusted_p": adjusted["a.pval"],
    }


def criteria(fit: MultivariateFit, variances: int) -> dict[str, float]:
    """Information criteria of a fit with so many variance parameters."""
    k, p = fit.blocks.k, fit.blocks.p
    found = fit_statistics(fit.loglik, p + variances, k, p, restricted=fit.method == "REML")
    return {"AIC": found.aic, "BIC": found.bic, "AICc": found.aicc}


def hotelling(fit: MultivariateFit, constraints: ArrayLike) -> dict[str, Any]:
    """The robust test of several coefficients at once."""
    test = wald_test(robust_covariance(fit, "CR2"), constraints)
    return {
        "HTZ_F": test.statistic, "HTZ_df_num": test.df_num, "HTZ_df_denom": test.df_denom,
        "HTZ_p": test.pvalue,
    } | {
        f"{prefix}_{name}": value
        for prefix, reference in (("chi_sq", "chi_squared"), ("Naive_F", "naive_F"))
        for name, value in _wald(fit, constraints, reference).items()
    }  # fmt: skip


def _wald(fit: MultivariateFit, constraints: ArrayLike, reference: str) -> dict[str, float]:
    test = wald_test(robust_covariance(fit, "CR2"), constraints, reference=reference)
    return {
        "F": test.statistic, "df_num": test.df_num, "df_denom": test.df_denom, "p": test.pvalue
    }  # fmt: skip


def contrast_of_two(fit: MultivariateFit) -> dict[str, Any]:
    """The second coefficient minus the first, model-based and robust."""
    contrast = np.array([-1.0, 1.0])
    estimate = np.array([contrast @ fit.beta])
    model = wald_table("z", estimate, [[contrast @ fit.vb @ contrast]], math.inf)
    cr2 = robust_covariance(fit, "CR2")
    df = cr2.df(contrast)
    robust = wald_table("r", estimate, [[cr2.variance(contrast)]], df)
    return {
        "diff_2_minus_1": estimate,
        "diff_se": model["z.se"],
        "diff_z": model["z.stat"],
        "diff_p": model["z.pval"],
        "diff_ci_lb": model["z.ci_lb"],
        "diff_ci_ub": model["z.ci_ub"],
        "CR2_contrast_est": estimate,
        "CR2_contrast_se": robust["r.se"],
        "CR2_contrast_df": df,
        "CR2_contrast_ci_lb": robust["r.ci_lb"],
        "CR2_contrast_ci_ub": robust["r.ci_ub"],
    }
