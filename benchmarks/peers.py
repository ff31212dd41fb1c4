"""Processor seconds of other programs on the same data, in one run, each timed as this project is:
R's metafor, and Python packages that are installed here or in the environment that
IBGAP_PEERS_PYTHON names. Missing ones are left out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]

_TIMED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from benchmarks.timing import steady
data = json.load(open(sys.argv[1]))
y, v, x = (np.array(data[n]) if data.get(n) is not None else None for n in ("y", "v", "x"))
{prepare}
try:
    print("seconds", steady(lambda: {call}))
except Exception as error:
    print("failed", type(error).__name__)
"""

PYTHON = {
    "PyMARE": {
        "one": ("from pymare import Dataset; from pymare.estimators import "
                "VarianceBasedLikelihoodEstimator as E",
                "E(method='REML').fit_dataset(Dataset(y=y[:, None], v=v[:, None], "
                "add_intercept=True))"),
        "many": ("from pymare import Dataset; from pymare.estimators import "
                 "VarianceBasedLikelihoodEstimator as E",
                 "E(method='REML').fit(y.T, v.T, np.ones((y.shape[1], 1)))"),
    },
    "pimeta": {
        "one": ("import pimeta", "pimeta.rma(yi=y, vi=v, test='knha')"),
        "leave_one_out": ("import pimeta", "pimeta.leave1out(y, v)"),
        "permutation": ("import pimeta; fit = pimeta.rma(yi=y, vi=v, mods=x)",
                        "pimeta.permutest(fit, iter=1000, seed=1)"),
    },
    "PyMetaAnalysis": {
        "one": ("import meta_analyze", "meta_analyze.meta_analysis(effect=y, variance=v, "
                "tau2_method='REML', ci_method='hksj')"),
    },
    "statsmodels (PM)": {
        "one": ("from statsmodels.stats.meta_analysis import combine_effects",
                "combine_effects(y, v, method_re='iterated', use_t=True)"),
    },
}  # fmt: skip

R = {
    "one": "rma(y, v, test='knha')",
    "many": "for (i in 1:200) rma(y[i,], v[i,])",
    "leave_one_out": "leave1out(rma(y, v))",
    "permutation": "permutest(rma(y, v, mods=x), iter=100, progbar=FALSE)",
    "three_level": "rma.mv(y, v, random=~1|g/e, sparse=TRUE)",
    "che": "rma.mv(y, vcalc(v, cluster=g, obs=e, rho=.6), random=~1|g/e, sparse=TRUE)",
}
R_FACTOR = {"many": 50.0, "permutation": 10.0}
"""How many times longer the whole task takes than the part that R is given."""


def _interpreter() -> str:
    return os.environ.get("IBGAP_PEERS_PYTHON", sys.executable)


@cache
def _written(key: str, text: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="ibgap_bench_")) / f"{key}.json"
    path.write_text(text)
    return path


def python_peers(task: str, **arrays: np.ndarray) -> list[tuple[str, float]]:
    """Processor seconds per program that offers the task and is installed."""
    path = _written(task, json.dumps({name: a.tolist() for name, a in arrays.items()}))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    out = []
    for name, tasks in PYTHON.items():
        if task not in tasks:
            continue
        prepare, call = tasks[task]
        code = _TIMED.format(prepare=prepare, call=call)
        for python in dict.fromkeys((_interpreter(), sys.executable)):
            done = subprocess.run(
                [python, "-c", code, str(path)], capture_output=True, text=True, env=environment
            )
            if done.stdout.startswith("seconds"):
                out.append((name, float(done.stdout.split()[1])))
                break
    return out


def metafor(task: str, **arrays: np.ndarray) -> list[tuple[str, float]]:
    """Processor seconds of metafor, when Rscript with metafor is there."""
    if task not in R:
        return []
    seconds = in_r(R[task], "suppressMessages(library(metafor))", **arrays)
    return [] if seconds is None else [("metafor", seconds * R_FACTOR.get(task, 1.0))]


def in_r(call: str, prepare: str = "", **arrays: np.ndarray) -> float | None:
    """Processor seconds of one call in R, in which the arrays stand under their names; None
    where R or what it prepares is missing."""
    if shutil.which("Rscript") is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="ibgap_bench_"))
    lines = [f'source("{ROOT / "benchmarks" / "steady.R"}")', prepare]
    for name, values in arrays.items():
        np.savetxt(folder / f"{name}.csv", np.atleast_2d(values.T).T, delimiter=",")
        shape = "as.matrix" if values.ndim == 2 else "unlist"
        lines.append(f'{name} <- unname({shape}(read.csv("{folder}/{name}.csv", header=FALSE)))')
    lines.append(f'cat("seconds", steady(function() {{ {call} }}))')
    script = folder / "timed.R"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run(["Rscript", str(script)], capture_output=True, text=True)
    shutil.rmtree(folder)
    if done.returncode or not done.stdout.startswith("seconds"):
        return None
    return float(done.stdout.split()[1])
