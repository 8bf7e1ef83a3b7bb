"""The style sheet of the evidence page: one column on a phone, two on a desk, A4 on paper. No resource from elsewhere."""

from typing import Final

CSS: Final = """
:root { color-scheme: light; --ink: #1f2328; --soft: #57606a; --edge: #d0d7de; --ground: #f6f8fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", "Hiragino Sans", "Noto Sans CJK JP",
  "Yu Gothic", sans-serif; }
:lang(ja) { line-break: strict; word-break: normal; }
main, header, footer { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 24px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 12px; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: 0 0 8px; overflow-wrap: anywhere; }
code, .mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .86em;
  overflow-wrap: anywhere; }
.whole { white-space: nowrap; }
.soft { color: var(--soft); font-size: .9em; }
h1 .tag { font-size: .9rem; vertical-align: middle; }
.card { background: #fff; border: 1px solid var(--edge); border-radius: 10px; padding: 18px 20px; margin: 16px 0; }
.verdict { border-left: 8px solid var(--soft); }
.verdict.secure { border-left-color: #1a6b34; } .verdict.insecure { border-left-color: #855800; }
.verdict.bogus, .verdict.indeterminate { border-left-color: #b3261e; }
.verdict .said { font-size: 1.15rem; font-weight: 600; }
.tag { display: inline-block; white-space: nowrap; border: 1.5px solid; border-radius: 999px; padding: 0 9px;
  font-size: .82em; font-weight: 600; line-height: 1.55; }
.tag.secure { color: #1a6b34; background: #eaf6ee; }
.tag.insecure { color: #855800; background: #fff6dd; border-style: dashed; }
.tag.bogus { color: #b3261e; background: #fdebe9; border-style: double; border-width: 3px; }
.tag.other { color: #57606a; background: #f1f3f5; border-style: dotted; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 16px; margin: 12px 0 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: minmax(300px, 440px) 1fr; gap: 0 20px; align-items: start; }
.columns > .card { min-width: 0; }
svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.zone { border-top: 1px solid var(--edge); padding: 12px 0; }
.zone:first-of-type { border-top: 0; padding-top: 0; } .zone:last-child { padding-bottom: 0; }
.zone.fault { background: #fdebe9; margin: 0 -20px; padding: 12px 20px; }
.head { display: flex; gap: 10px; justify-content: space-between; align-items: baseline; }
ul { margin: 6px 0 0; padding-left: 1.2em; } li { margin: 2px 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--edge);
  padding: 4px 10px 4px 0; }
td { border-bottom: 1px solid var(--edge); padding: 6px 10px 6px 0; vertical-align: top; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
ol.steps { padding-left: 1.4em; margin: 0; } ol.steps li { margin-bottom: 10px; } ol.steps strong { display: block; }
footer { padding-bottom: 32px; }
@media (max-width: 900px) { .columns { grid-template-columns: 1fr; } }
@media (max-width: 640px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  h1 { font-size: 1.3rem; } .card { padding: 14px; margin: 12px 0; border-radius: 8px; }
  .card.drawing { padding: 8px 2px; } .card.drawing h2 { margin-left: 12px; }
  .zone.fault { margin: 0 -14px; padding: 12px 14px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  table, tbody, tr, td { display: block; } thead { display: none; }
  tr { border-bottom: 1px solid var(--edge); padding: 8px 0; } tr:last-child { border-bottom: 0; }
  td { border: 0; padding: 2px 0; display: grid; grid-template-columns: 7.5em 1fr; gap: 8px; }
  td::before { content: attr(data-label); color: var(--soft); }
}
@page { size: A4; margin: 14mm 13mm; }
@media print {
  body { background: #fff; font-size: 10.5pt; line-height: 1.4; }
  main, header, footer { max-width: none; padding: 0; }
  .card { border-color: #999; border-radius: 4px; padding: 10px 12px; margin: 0 0 10px; }
  .columns { display: block; break-before: page; } .columns::after { content: ""; display: block; clear: both; }
  .drawing { break-inside: avoid; float: left; width: 84mm; padding: 8px 4px; } .drawing h2 { margin-left: 8px; }
  .drawing svg { max-height: 240mm; width: auto; } .chain { margin-left: 88mm; font-size: 8.6pt; }
  .zone, tr, li, .servers, .looks { break-inside: avoid; } table { font-size: .9em; } h2 { break-after: avoid; }
  .zone.fault { margin: 0 -12px; padding: 8px 12px; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
