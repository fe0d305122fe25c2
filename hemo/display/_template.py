"""The look and the frame of a page (see `hemo.display.page`)."""

from typing import Final

STYLE: Final = """
:root { --ink: #222; --soft: #6a6a6a; --line: #e2e2e2; --accent: #0072B2; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.page { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 3rem; max-width: 110rem;
  margin: 0 auto; padding: 2rem 2.5rem 4rem; }
nav { position: sticky; top: 2rem; align-self: start; max-height: calc(100vh - 4rem); overflow-y: auto;
  font-size: .92rem; }
nav b { display: block; margin-bottom: .5rem; color: var(--soft); font-weight: 600; }
nav ol { list-style: none; margin: 0; padding: 0; border-left: 2px solid var(--line); }
nav a { display: block; padding: .22rem 0 .22rem .9rem; color: var(--ink); text-decoration: none; }
nav a:hover { color: var(--accent); }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .8rem; padding-top: .8rem; border-top: 1px solid var(--line); }
section:first-of-type h2 { margin-top: 0; }
p { max-width: 50rem; margin: 0 0 .9rem; white-space: pre-line; }
.warning { background: #b3261e; color: #fff; padding: .5rem .8rem; font-weight: 600; }
p.good, td.good, tr.good td { color: #00695c; }
p.bad, td.bad, tr.bad td { color: #b3261e; }
p.good, p.bad, td.good, td.bad { font-weight: 600; }
.scroll { overflow-x: auto; margin: 1rem 0 1.8rem; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding-bottom: .5rem; font-weight: 600; }
th, td { padding: .26rem .75rem .26rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); vertical-align: bottom; }
th.number, td.number { text-align: right; }
td.number, td.short, td.short span { white-space: nowrap; }
tbody tr:hover { background: #f6f9fb; }
.figures { display: flex; margin: 1rem 0; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure { margin: 0 0 1rem; flex: 0 1 calc(50% - .75rem); min-width: min(26rem, 100%); max-width: 44rem; }
figure.wide { flex-basis: 100%; max-width: 72rem; }
figure img { display: block; width: 100%; height: auto; }
.part { display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: flex-start; margin: 0 0 2rem; }
.part h3 { flex: 1 0 100%; font-size: 1.02rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
.part .figures { margin: 0; gap: .6rem; }
.part figure { flex: 0 0 auto; min-width: 0; width: 16rem; }
.part figure img { width: 16rem; background: #000; }
.part .scroll { margin: 0; }
.part.many figure, .part.many figure img { width: 8rem; }
.rows { margin: 1rem 0; overflow-x: auto; font-size: .92rem; font-variant-numeric: tabular-nums; }
.rows .head, .rows summary { display: grid; gap: .75rem; padding: .35rem .5rem; min-width: 58rem;
  border-bottom: 1px solid var(--line); }
.rows .head { color: var(--soft); font-size: .64rem; font-weight: 600; border-bottom-width: 2px; }
.rows summary { cursor: pointer; list-style: none; }
.rows summary::-webkit-details-marker { display: none; }
.rows summary:hover { background: #f6f9fb; }
.rows summary span:first-child::before { content: "\\25B8"; margin-right: .5rem; color: var(--accent); }
.rows details[open] > summary span:first-child::before { content: "\\25BE"; }
.rows details[open] > summary { background: #f6f9fb; font-weight: 600; }
.rows span.bad { color: #b3261e; font-weight: 600; }
.key { color: var(--soft); font-size: .9rem; }
.key img { width: 12rem; height: .8rem; vertical-align: middle; }
.rows .inside { padding: 1rem .5rem 1.5rem 1.6rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .3rem; }
footer { margin-top: 4rem; color: var(--soft); font-size: .88rem; }
@media (max-width: 85rem) {
  .page { grid-template-columns: 11.5rem minmax(0, 1fr); gap: 1.5rem; padding: 2rem 1.25rem 4rem; }
}
@media (max-width: 60rem) {
  .page { grid-template-columns: minmax(0, 1fr); gap: 1rem; padding: 1rem; }
  nav { position: static; max-height: none; }
  nav b { display: none; }
  nav ol { display: flex; flex-wrap: wrap; border: 0; }
  nav a { padding: 0 1.2rem 0 0; color: var(--soft); }
}
@media (max-width: 45rem) { /* as in the frame of a run's artifacts: an interval below its number */
  html { font-size: 14px; }
  body { font-size: 1rem; }
  td.short { white-space: normal; }
}
@media print {
  .page { display: block; padding: 0; }
  nav { display: none; }
  body { font-size: 10pt; }
  .scroll { overflow: visible; }
  h2, caption { break-after: avoid; }
  figure, tr, .part { break-inside: avoid; }
}
"""

TEMPLATE: Final = """\
{% macro whole(text) %}
{% set number, gap, interval = text.partition(" (") %}
{{ number }}{% if gap %} <span>({{ interval }}</span>{% endif %}
{%- endmacro %}
{% macro content(section) %}
{% if section.warning %}
<p class="warning">{{ section.warning }}</p>
{% endif %}
{% for paragraph in section.paragraphs %}
<p{% if section.mark %} class="{{ section.mark }}"{% endif %}>{{ paragraph }}</p>
{% endfor %}
{% if section.figures %}
<div class="figures">
{% for caption, image, wide in section.figures %}
<figure{% if wide %} class="wide"{% endif %}><img src="{{ image }}" alt="{{ caption }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}
{% for caption, table in section.tables %}
<div class="scroll"><table>
{% if caption %}
<caption>{{ caption }}</caption>
{% endif %}
<thead><tr>
{% for name, number in table.header %}<th{% if number %} class="number"{% endif %}>{{ name }}</th>{% endfor %}

</tr></thead>
<tbody>
{% for cells, mark in table.rows %}
<tr{% if mark %} class="{{ mark }}"{% endif %}>
{%- for text, look in cells %}
<td{% if look %} class="{{ look }}"{% endif %}>{{ whole(text) }}</td>{% endfor -%}
</tr>
{% endfor %}
</tbody>
</table></div>
{% endfor %}
{% if section.key %}
<p class="key">against <img src="data:image/png;base64,{{ section.key }}" alt="colors"> for blood</p>
{% endif %}
{% if section.rows %}
{% set grid = "grid-template-columns: minmax(11rem, 1.2fr) repeat(%d, minmax(3.5rem, 1fr))"
  | format(section.header | length - 1) %}
<div class="rows">
<div class="head" style="{{ grid }}">
{% for name in section.header %}<span>{{ name }}</span>{% endfor %}

</div>
{% for row in section.rows %}
<details{% if section.rows | length == 1 %} open{% endif %}><summary style="{{ grid }}">
{% for text, mark in row.cells %}
<span{% if mark %} class="{{ mark }}"{% endif %}>{{ text }}</span>
{% endfor %}

</summary>
<div class="inside">
{{ content(row.inside) }}
</div></details>
{% endfor %}
</div>
{% endif %}
{% for part in section.parts %}
<div class="part{% if part.figures | length > 2 %} many{% endif %}">
<h3>{{ part.title }}</h3>
{{ content(part) }}
</div>
{% endfor %}
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<div class="page">
<nav aria-label="Contents"><b>Contents</b><ol>
{% for section in sections %}
<li><a href="#{{ section.anchor }}">{{ section.title }}</a></li>
{% endfor %}
</ol></nav>
<main>
<h1>{{ title }}</h1>
{% if warning %}
<p class="warning">{{ warning }}</p>
{% endif %}
{% for section in sections %}
<section id="{{ section.anchor }}">
<h2>{{ section.title }}</h2>
{{ content(section) }}
</section>
{% endfor %}
<footer>Made by hemo. {{ research_only }}</footer>
</main>
</div>
</body>
</html>
"""
