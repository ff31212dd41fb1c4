"""Draws docs/flow.svg, the picture of the README."""

from pathlib import Path

BOXES = [
    (15, 20, "trials/", "manifest + data files"),
    (235, 20, "raw", "text as found"),
    (455, 20, "screened", "accepted | rejected\nwith rule and reason"),
    (675, 0, "intention_outcomes", ""),
    (675, 64, "behavior_outcomes", ""),
    (15, 190, "effects", "yi, vi, formula\npositive = as intended"),
    (235, 190, "paired_effects", "covariance of the two\ncorrelation and its origin"),
    (455, 190, "synthesis", "pooled effects | gap\naction control | sensitivity"),
    (675, 190, "release", "Parquet, DuckDB, JSON\nreport.html"),
]
ARROWS = [
    "M210 50 H233",
    "M430 50 H453",
    "M650 42 H662 V22 H673",
    "M650 58 H662 V88 H673",
    "M770 112 V150 H110 V186",
    "M210 225 H233",
    "M430 225 H453",
    "M650 225 H673",
]
MARKER = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#57606a"/></marker>'
)
STYLE = """
.box{fill:#f6f8fa;stroke:#57606a;stroke-width:1.2}
.name{font:600 14px system-ui,sans-serif;fill:#1b1f24}
.note{font:12px system-ui,sans-serif;fill:#57606a}
.arrow{fill:none;stroke:#57606a;stroke-width:1.6;marker-end:url(#tip)}
.intention{stroke:#0b5cad;stroke-width:2}.behavior{stroke:#b3470b;stroke-width:2}
"""


def draw() -> str:
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 885 280" role="img" '
        'aria-labelledby="t d">',
        '<title id="t">From a trials folder to the gap</title>',
        '<desc id="d">Trial folders are read as text and screened; accepted rows become separate '
        "intention and behavior outcomes, these become effects and pairs, these are pooled, and a "
        "release is published. Rejected rows and findings go to the release too.</desc>",
        f"<style>{STYLE}</style>",
        f"<defs>{MARKER}</defs>",
        '<rect width="885" height="280" fill="#ffffff"/>',
    ]
    for x, y, name, note in BOXES:
        tall = 48 if not note else 62
        kind = name.split("_")[0] if name.endswith("_outcomes") else ""
        parts.append(
            f'<rect class="box {kind}" x="{x}" y="{y}" width="195" height="{tall}" rx="6"/>'
        )
        parts.append(
            f'<text class="name" x="{x + 12}" y="{y + (29 if not note else 22)}">{name}</text>'
        )
        for i, line in enumerate(note.split("\n") if note else []):
            parts.append(f'<text class="note" x="{x + 12}" y="{y + 39 + 15 * i}">{line}</text>')
    parts += [f'<path class="arrow" d="{d}"/>' for d in ARROWS]
    parts.append('<text class="note" x="455" y="102">rejected rows are published too</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("flow.svg").write_text(draw(), encoding="utf-8")
