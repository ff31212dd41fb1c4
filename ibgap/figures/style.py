"""Colors and text of figures as CSS custom properties: light, dark, print.

Blue (intention) and rust (behavior) stay apart under every common color-vision deficiency but
not in gray, so marks differ in shape too. The gap is drawn in ink.
"""

_LIGHT = """--ink:#1B1F24;--paper:#FFFFFF;--muted:#57606A;--grid:#D8DEE4;
--intention:#0B5CAD;--behavior:#B3470B;--upstream:#57606A"""
_DARK = """--ink:#E6EAF0;--paper:#14181D;--muted:#A3ADB8;--grid:#323B45;
--intention:#6CB4F5;--behavior:#FF9D66;--upstream:#A3ADB8"""

PRINT_COLORS = dict(pair.strip().split(":") for pair in _LIGHT.split(";"))
"""Colors of print versions, by the names of the custom properties."""

FIGURE_CSS = (
    f":root{{{_LIGHT}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}\n"
    + """.figure{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
sans-serif;
font-size:13px;font-variant-numeric:tabular-nums lining-nums}
.figure text{fill:var(--ink);stroke:none}
.figure text.muted{fill:var(--muted)}
.figure text.bold{font-weight:600}
.figure text.small{font-size:12px}
.figure text.tone{fill:var(--tone)}
.figure .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.figure .tone-intention{--tone:var(--intention)}
.figure .tone-behavior{--tone:var(--behavior)}
.figure .tone-upstream{--tone:var(--upstream)}
.figure .tone-ink{--tone:var(--ink)}
.figure .fill{fill:var(--tone);stroke:none}
.figure .open{fill:var(--paper);stroke:var(--tone);stroke-width:1.6}
.figure .line{stroke:var(--tone);stroke-width:1.4;fill:none}
.figure .thin{stroke:var(--tone);stroke-width:1;fill:none;opacity:.7}
.figure .bar{stroke:var(--tone);stroke-width:5;fill:none;opacity:.45}
.figure .mean{stroke:var(--tone);stroke-width:1;stroke-dasharray:3 4;fill:none;opacity:.8}
.figure .area{fill:var(--tone);fill-opacity:.14;stroke:var(--tone);stroke-width:1.4}
.figure .outline{fill:none;stroke:var(--tone);stroke-width:1.2;stroke-dasharray:5 4}
.figure .ribbon{fill:var(--tone);fill-opacity:.15;stroke:none}
.figure .axis{stroke:var(--ink);stroke-width:1;fill:none}
.figure .rule{stroke:var(--grid);stroke-width:1;fill:none}
.figure .zero{stroke:var(--muted);stroke-width:1;fill:none}
.figure .identity{stroke:var(--muted);stroke-width:1.2;stroke-dasharray:6 4;fill:none}
.figure .stripe{fill:var(--grid);fill-opacity:.28;stroke:none}
.figure .contour{fill:var(--grid);fill-opacity:.42;stroke:none}
.figure .frame{fill:none;stroke:var(--ink);stroke-width:1}
.figure .frame.light{stroke:var(--muted);stroke-dasharray:4 3}
.figure .light .fill{fill-opacity:.72}
.figure .target{fill:transparent;stroke:none}
.figure a{fill:inherit;text-decoration:none}
.figure a.open text{fill:var(--intention)}
.figure a.toggle text{fill:var(--muted)}
.figure a:hover text{text-decoration:underline}
.figure a:focus-visible{outline:3px solid var(--intention);outline-offset:1px}
.figure .left-out text{fill:var(--muted)}
.figure .hatch{stroke:var(--tone);stroke-width:2;fill:none}
.figure .segment{stroke:var(--paper);stroke-width:1}
.figure text.on-fill{fill:var(--paper)}
@media (forced-colors:active){.figure{forced-color-adjust:none;--ink:CanvasText;--paper:Canvas;
--muted:CanvasText;--grid:GrayText;--intention:LinkText;--behavior:CanvasText;--upstream:GrayText}}"""
)
