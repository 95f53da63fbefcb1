"""How a report of an evaluation looks: its style sheet, for screens light and dark, for phones and for paper."""

from __future__ import annotations

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Okabe and Ito's, which the colour-blind tell apart, the clearest first; their yellow is left out: it is too faint on
white. On the page they are `var(--c0)` and so on: black turns to white in the dark."""

_LIGHT = f"""
  color-scheme: light;
  --back: #ffffff; --text: #1b1f23; --dim: #57606a; --line: #d0d7de; --grid: #e4e8ec; --card: #f6f8fa; --link: #0b5cad;
  {" ".join(f"--c{place}: {colour};" for place, colour in enumerate(COLOURS))}
"""
_DARK = """
  color-scheme: dark;
  --back: #15181c; --text: #e6e9ed; --dim: #a5afba; --line: #3b434c; --grid: #2b3138; --card: #1d2126; --link: #7cb7f2;
  --c1: #2f8fd0; --c4: #f2f2f2;
"""

STYLE = f"""
:root {{{_LIGHT}}}
@media screen and (prefers-color-scheme: dark) {{ :root {{{_DARK}}} }}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }}
body {{
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 72rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}}
h1 {{ font-size: 1.75rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.25rem; line-height: 1.3; margin: 2.75rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }}
h3 {{ font-size: 1rem; margin: 1.25rem 0 .25rem; overflow-wrap: anywhere; }}
p {{ margin: .4rem 0; max-width: 46rem; overflow-wrap: anywhere; }}
.dim {{ color: var(--dim); font-size: .875rem; }}
.lead {{ font-size: 1.0625rem; color: var(--dim); }}
a {{ color: var(--link); }}
summary {{ cursor: pointer; padding: .35rem 0; }}
:focus-visible {{ outline: 2px solid var(--link); outline-offset: 2px; }}

.scroll {{ overflow-x: auto; margin: .75rem 0; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums lining-nums; }}
th, td {{ padding: .35rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }}
th:first-child, td:first-child {{ padding-left: 0; }}
thead th {{ font-size: .875rem; font-weight: 600; color: var(--dim); vertical-align: bottom; border-bottom-width: 2px; }}
tbody th {{ font-weight: 400; }}
th[scope=row], .words {{ text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 8.5rem; max-width: 24rem; }}
table.wide thead th {{ white-space: normal; max-width: 12rem; }}
td.best {{ font-weight: 700; }}

dl {{
  display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem; margin: .5rem 0; font-size: .9375rem;
}}
dt {{ color: var(--dim); overflow-wrap: anywhere; max-width: 14rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}

.pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 2.5rem; }}
.bars > figure:only-child {{ max-width: 44rem; }}
figure {{ margin: 0; min-width: 0; }}
.chart {{ display: block; width: 100%; margin: .5rem 0; font-size: 13px; font-variant-numeric: tabular-nums; }}
.chart text {{ fill: var(--text); }}
.chart text.tick {{ fill: var(--dim); font-size: 12px; }}
.chart text.name {{ paint-order: stroke; stroke: var(--back); stroke-width: 4px; stroke-linejoin: round; }}
.chart .grid {{ stroke: var(--grid); stroke-width: 1; }}
.chart .axis, .chart .mark {{ stroke: var(--dim); stroke-width: 1; fill: none; }}
.chart .mark {{ stroke-dasharray: 3 3; }}
.chart .lead-line {{ stroke: var(--dim); stroke-width: 1; }}
.chart .curve {{ fill: none; stroke-width: 2.25; stroke-linejoin: round; vector-effect: non-scaling-stroke; }}
.chart .near {{ fill: none; stroke: transparent; stroke-width: 14; vector-effect: non-scaling-stroke; pointer-events: stroke; }}
.chart .hit {{ fill: transparent; }}
.chart g:hover > .hit {{ fill: var(--grid); }}
.chart g:hover > .curve {{ stroke-width: 4; }}
.rim {{ stroke: var(--back); stroke-width: 1.25; }}
svg svg {{ overflow: visible; }}
ul.legend {{
  list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.25rem; margin: .35rem 0; padding: 0; font-size: .875rem;
}}
ul.legend li {{ display: flex; align-items: baseline; gap: .45rem; min-width: 0; overflow-wrap: anywhere; }}
ul.legend.rows {{ flex-direction: column; }}
ul.legend.rows li {{ display: grid; grid-template-columns: 38px 3rem minmax(0, 1fr); }}
ul.legend b {{ font-variant-numeric: tabular-nums; font-weight: 600; }}
.swatch {{ flex: none; align-self: start; margin-top: .22em; }}
th .swatch {{ vertical-align: -.15em; margin: 0 .2em 0 0; }}
.swatch line {{ stroke-width: 2.5; }}

.sheet {{ display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .6rem; }}
.sheet img {{ display: block; max-width: 100%; height: auto; border-radius: 3px; background: var(--card); }}
.sheet figcaption {{ font-size: .8125rem; color: var(--dim); font-variant-numeric: tabular-nums; }}
@media (max-width: 40rem) {{
  body {{ padding-top: 1rem; }}
  h1 {{ font-size: 1.5rem; }}
  .sheet {{ grid-template-columns: repeat(2, minmax(0, 1fr)); }}
  table {{ font-size: .9375rem; }}
  th, td {{ padding-left: .4rem; padding-right: .4rem; }}
}}
@media print {{
  body {{ max-width: none; padding: 0; font-size: 11pt; }}
  .scroll {{ overflow: visible; }}
  figure, tr, .sheet, dl {{ break-inside: avoid; }}
  h2, h3, section > p {{ break-after: avoid; }}
  .pair {{ grid-template-columns: 1fr 1fr; gap: 1rem; }}
}}
"""
