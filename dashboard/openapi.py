"""The description of the HTTP interface (OpenAPI 3.1), made from the parameters themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.tau2 import TAU2_METHODS
from dashboard.files import MEDIA_TYPES
from dashboard.query import COLUMNS, OUTCOMES, ROB_LEVELS, SORTS

_TEXTS = {
    "release": "id of a release; left out: the current one",
    "syn": "synthesis; left out: main",
    "topic": "topics to keep", "country": "countries to keep",
    "by": "how behavior was measured", "excl": "trials to leave out",
    "with": "id of the release to compare with", "b": "query of a second selection",
    "group": "property that groups the forest", "mod": "moderator to show",
    "q": "words to search trials for",
}  # fmt: skip
_LISTS = ("topic", "country", "by", "excl")
_NUMBERS = {
    "year_min": "earliest year", "year_max": "latest year", "weeks_min": "earliest follow-up",
    "weeks_max": "latest follow-up", "n_min": "fewest persons", "n_max": "most persons",
    "r": "assumed within-arm correlation, one of the release's grid",
}  # fmt: skip
_ENUMS: dict[str, tuple[str, Sequence[str]]] = {
    "tau": ("estimator of tau2", tuple(TAU2_METHODS)),
    "ci": ("interval method", tuple(CI_METHODS)),
    "sort": ("order of trials", tuple(SORTS)), "out": ("outcome of the view", OUTCOMES),
}  # fmt: skip


def parameters() -> list[dict[str, Any]]:
    """Every query parameter that the pages and the interface share."""
    out: list[dict[str, Any]] = []
    for name, text in _TEXTS.items():
        schema: dict[str, Any] = {"type": "string", "maxLength": 300}
        if name in _LISTS:
            schema = {"type": "array", "items": schema}
        out.append(_parameter(name, text, schema))
    for name, text in _NUMBERS.items():
        out.append(_parameter(name, text, {"type": "number"}))
    for name, (text, values) in _ENUMS.items():
        out.append(_parameter(name, text, {"type": "string", "enum": list(values)}))
    for name, values in (("rob", ROB_LEVELS), ("cols", tuple(COLUMNS))):
        items = {"type": "string", "enum": [*values, "none"]}
        out.append(_parameter(name, "choices to keep", {"type": "array", "items": items}))
    for name, text in (("both", "trials with both outcomes"), ("randomized", "randomized trials")):
        out.append(_parameter(name, text, {"type": "string", "enum": ["0", "1", ""]}))
    return out


def _parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text,
            "schema": schema, "style": "form", "explode": True}  # fmt: skip


def describe(
    endpoints: Mapping[str, str], forms: Sequence[str], scopes: Sequence[str], version: str
) -> dict[str, Any]:
    """The whole document."""
    shared = [{"$ref": f"#/components/parameters/{p['name']}"} for p in parameters()]
    scope = _parameter("scope", "rows of the selection, or all of the release",
                       {"type": "string", "enum": list(scopes)})  # fmt: skip
    paths: dict[str, Any] = {}
    for name, text in endpoints.items():
        for form in forms:
            paths[f"/api/v1/{name}.{form}"] = _get(text, form, [*shared, scope])
    trial = _parameter("trial", "id of the trial", {"type": "string"}) | {"required": True}
    paths["/api/v1/study.json"] = _get("everything published of one trial", "json",
                                       [trial, *shared], missing=True)  # fmt: skip
    table = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    for form in ("csv", "xlsx", "parquet"):
        paths[f"/api/v1/tables/{{name}}.{form}"] = _get(
            "a published table as it is", form, [table, shared[0]], missing=True
        )
    figure = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    for form in ("svg", "png", "pdf"):
        paths[f"/figure/{{name}}.{form}"] = _get("a figure of the selection", form,
                                                 [figure, *shared], missing=True)  # fmt: skip
    paths["/bundle.zip"] = _get("data, figures, settings, citation and a script", "zip", shared)
    paths["/health"] = _get("whether a release can be read", "json", [])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ibgap", "version": version,
            "description": "Pooled effects on intention and behavior, and the gap. Read only. "
            "Infinite numbers are the texts Infinity and -Infinity, missing ones null. A "
            "moderator NAME filters by the parameter m.NAME.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "../.."}],
        "paths": paths,
        "components": {"parameters": {p["name"]: p for p in parameters()}},
    }  # fmt: skip


def _get(text: str, form: str, given: list[Any], *, missing: bool = False) -> dict[str, Any]:
    media = MEDIA_TYPES[form].split(";")[0]
    schema: dict[str, Any] = {"type": "string"} if form in ("csv", "svg") else {}
    if form == "json":
        schema = {"type": "object"}
    answers: dict[str, Any] = {
        "200": {"description": text, "content": {media: {"schema": schema}}},
        "400": {"description": "a parameter that is unknown or impossible"},
        "410": {"description": "a release that is not kept any more"},
        "422": {"description": "a selection whose numbers cannot be computed"},
        "503": {"description": "no release yet, or too many requests at once"},
    }
    if missing:
        answers["404"] = {"description": "no such name"}
    return {"get": {"summary": text, "parameters": given, "responses": answers}}
