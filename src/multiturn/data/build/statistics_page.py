"""The statistics of a corpus as one HTML page without scripts or links to other files."""

from __future__ import annotations

import jinja2

from multiturn.data.build.statistics import Statistics, StatisticsTable

__all__ = ["statistics_page"]

_MAX_ROWS = 60

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --bar: #3b78c4; --line: #8885; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .15rem .6rem .15rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; }
.name { max-width: 24rem; overflow-wrap: anywhere; } .plot { width: 35%; }
.plot svg { display: block; width: 100%; height: .9rem; } rect { fill: var(--bar); }
p.sum { font-size: 1.05rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="sum">{{ summary }}</p>
{% for table in tables if table.rows %}
<h2>{{ table.title }}</h2>
<table>
<thead><tr><th></th>
{%- for column in table.columns %}<th class="n">{{ column }}</th>{% endfor -%}
<th class="plot"></th></tr></thead>
<tbody>
{%- for name, numbers in table.rows[:max_rows] %}
<tr><td class="name">{{ name }}</td>
{%- for number in numbers %}<td class="n">{{ "{:,}".format(number) }}</td>{% endfor -%}
<td class="plot"><svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{{
"{:.1%}".format(numbers[-1] / largest[table.title]) }} of the largest"><rect width="{{
"{:.2f}".format(100 * numbers[-1] / largest[table.title]) }}" height="10"/></svg></td></tr>
{%- endfor %}
</tbody>
</table>
{%- if table.rows | length > max_rows %}
<p>and {{ table.rows | length - max_rows }} more.</p>
{%- endif %}
{% endfor %}
</body>
</html>
"""


def statistics_page(statistics: Statistics) -> str:
    """The page, as HTML. Names out of the corpus are escaped."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    tables = statistics.tables()
    final = statistics.final
    return environment.from_string(_PAGE).render(
        title=f"The corpus {statistics.recipe}",
        summary=(
            f"{final.documents.total():,} documents, {final.bytes.total():,} bytes; stages: "
            + ", ".join(name for name, _ in statistics.stages)
        ),
        tables=tables,
        largest={table.title: _largest(table) for table in tables},
        max_rows=_MAX_ROWS,
    )


def _largest(table: StatisticsTable) -> int:
    return max((numbers[-1] for _, numbers in table.rows), default=1) or 1
