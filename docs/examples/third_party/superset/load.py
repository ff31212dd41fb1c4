"""Connect a release to a running Superset and make a table and a bar chart.

python load.py http://127.0.0.1:8088 /absolute/path/to/release
User and password come from SUPERSET_USER and SUPERSET_PASSWORD.
"""

import json
import os
import sys
from pathlib import Path

import requests

base, release = sys.argv[1], Path(sys.argv[2]).resolve()
release_id = json.loads((release / "release.json").read_text())["release_id"]
here = Path(__file__).parent
web = requests.Session()


def post(path, body):
    answer = web.post(base + path, json=body, timeout=120)
    if not answer.ok:
        sys.exit(f"{path}: {answer.status_code} {answer.text[:500]}")
    return answer.json()


login = {
    "username": os.environ["SUPERSET_USER"],
    "password": os.environ["SUPERSET_PASSWORD"],
    "provider": "db",
}
web.headers["Authorization"] = "Bearer " + post("/api/v1/security/login", login)["access_token"]
web.headers["Referer"] = base
token = web.get(base + "/api/v1/security/csrf_token/", timeout=60).json()["result"]
web.headers["X-CSRFToken"] = token

connect_args = {"read_only": True, "config": {"enable_external_access": False}}
database = post(
    "/api/v1/database/",
    {
        "database_name": f"ibgap {release_id}",
        "sqlalchemy_uri": f"duckdb:///{release / 'ibgap.duckdb'}",
        "expose_in_sqllab": True,
        "allow_dml": False,
        "extra": json.dumps({"engine_params": {"connect_args": connect_args}}),
    },
)["id"]

datasets = {}
for name in ("pooled", "difference"):
    datasets[name] = post(
        "/api/v1/dataset/",
        {
            "database": database,
            "schema": "main",
            "table_name": f"{name} {release_id}",
            "sql": (here / f"{name}.sql").read_text(),
        },
    )["id"]

pooled = f"{datasets['pooled']}__table"
mu = {
    "expressionType": "SIMPLE",
    "column": {"column_name": "mu"},
    "aggregate": "MAX",
    "label": "pooled SMD",
}
charts = {
    "Pooled effects, table": {
        "viz_type": "table",
        "datasource": pooled,
        "query_mode": "raw",
        "all_columns": ["construct", "k_trials", "mu", "ci_lb", "ci_ub", "status"],
        "row_limit": 100,
    },
    "Pooled effects, bars": {
        "viz_type": "echarts_timeseries_bar",
        "datasource": pooled,
        "x_axis": "construct",
        "metrics": [mu],
        "groupby": [],
        "show_value": True,
        "y_axis_format": ".3f",
        "row_limit": 100,
    },
    "Intention minus behavior": {
        "viz_type": "table",
        "datasource": f"{datasets['difference']}__table",
        "query_mode": "raw",
        "all_columns": ["estimate", "ci_lb", "ci_ub", "interval_kind", "k_paired", "status"],
        "row_limit": 100,
    },
}
for name, params in charts.items():
    chart = post(
        "/api/v1/chart/",
        {
            "slice_name": name,
            "viz_type": params["viz_type"],
            "datasource_id": int(params["datasource"].split("_")[0]),
            "datasource_type": "table",
            "params": json.dumps(params),
        },
    )["id"]
    print(f"{name}: {base}/explore/?slice_id={chart}")
