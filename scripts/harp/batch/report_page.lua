--- How the page of a report looks, and what it can do where scripts run. There
-- is nothing in them that comes from outside.

local report_page = {}

report_page.STYLE = [[
:root {
  color-scheme: light dark;
  --paper: #fff; --sheet: #f6f7f8; --ink: #1c2127; --quiet: #5c6570; --line: #e2e5e9; --link: #1c5bb8;
  --band: #eef1f4; --on-fill: #fff;
  --ok: #3d9b78; --ok-ink: #1a6a4d;
  --exception: #cb3a30; --exception-ink: #b02a21;
  --error: #d2602a; --error-ink: #a2440f;
  --timeout: #b77c1c; --timeout-ink: #84570a;
  --unreachable: #7d57c4; --unreachable-ink: #6440a8;
  --unknown: #b0358f; --unknown-ink: #962579;
  --cancelled: #5b7083; --cancelled-ink: #4b5f70;
  --not-reached: #8b939d; --not-reached-ink: #5c6570;
  --running: #8fb4e8; --running-ink: #1c5bb8;
  --text: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --code: ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --sheet: #1c2024; --ink: #e4e7ea; --quiet: #9ba4ae; --line: #2e343a; --link: #8ab6f5;
    --band: #21262b; --on-fill: #101315;
    --ok: #4fa883; --ok-ink: #74cba6;
    --exception: #ea6f66; --exception-ink: #ff958d;
    --error: #e58a53; --error-ink: #f2a578;
    --timeout: #d6a445; --timeout-ink: #e3b962;
    --unreachable: #a78be6; --unreachable-ink: #bea9f1;
    --unknown: #d96cba; --unknown-ink: #ea94d1;
    --cancelled: #8fa3b5; --cancelled-ink: #a9bac9;
    --not-reached: #6d7680; --not-reached-ink: #9ba4ae;
    --running: #4d77b0; --running-ink: #8ab6f5;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 0.9375rem/1.5 var(--text); font-variant-numeric: tabular-nums;
}
main { max-width: 76rem; margin: 0 auto; padding: 2.5rem 2rem 4rem; }
h1 {
  margin: 0; font-size: 1.75rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; overflow-wrap: anywhere;
}
h2 { margin: 3rem 0 0.75rem; font-size: 1.125rem; line-height: 1.3; font-weight: 650; letter-spacing: -0.005em; }
h3 { margin: 0 0 0.25rem; font-size: 0.8125rem; font-weight: 600; color: var(--quiet); }
p { margin: 0 0 0.5rem; max-width: 44rem; }
a { color: var(--link); }
code, pre { font-family: var(--code); font-size: 0.8125rem; }
.quiet { color: var(--quiet); }
.id { margin: 0.25rem 0 0; color: var(--quiet); overflow-wrap: anywhere; }
.verdict { margin: 1.5rem 0 0.75rem; max-width: none; font-size: 1.125rem; line-height: 1.4; }
.note {
  margin: 1rem 0 0; padding: 0.5rem 0.875rem; border-left: 3px solid var(--timeout); background: var(--sheet);
  overflow-wrap: anywhere;
}
.note.stop { border-color: var(--exception); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
:target { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 3px; }

/* How hosts ended: a mark, a colour, and the word. */
.o { white-space: nowrap; }
.o::before {
  content: ""; display: inline-block; width: 1.0625rem; height: 1.0625rem; margin-right: 0.5rem; border-radius: 50%;
  font: 700 0.6875rem/1.0625rem var(--text); text-align: center; vertical-align: 0.0625rem;
  color: var(--on-fill); background: var(--not-reached);
}
.o.ok::before { content: "✓"; background: var(--ok); }
.o.exception::before { content: "×"; background: var(--exception); }
.o.error::before { content: "!"; background: var(--error); }
.o.timeout::before { content: "t"; background: var(--timeout); }
.o.unreachable::before { content: "∅"; background: var(--unreachable); }
.o.unknown::before { content: "?"; background: var(--unknown); }
.o.cancelled::before { content: "–"; background: var(--cancelled); }
.o.not_reached::before { background: none; border: 2px solid var(--not-reached); vertical-align: -0.1875rem; }
.o.waiting::before { background: none; border: 2px dotted var(--not-reached); vertical-align: -0.1875rem; }
.o.running::before { content: "…"; color: var(--on-fill); background: var(--running-ink); }
.exception.o { color: var(--exception-ink); }
.error.o { color: var(--error-ink); }
.timeout.o { color: var(--timeout-ink); }
.unreachable.o { color: var(--unreachable-ink); }
.unknown.o { color: var(--unknown-ink); }
.cancelled.o { color: var(--cancelled-ink); }
.not_reached.o, .waiting.o { color: var(--not-reached-ink); }
.running.o { color: var(--running-ink); }
svg { display: block; }
svg .ok { fill: var(--ok); }
svg .exception { fill: var(--exception); }
svg .error { fill: var(--error); }
svg .timeout { fill: var(--timeout); }
svg .unreachable { fill: var(--unreachable); }
svg .unknown { fill: var(--unknown); }
svg .cancelled { fill: var(--cancelled); }
svg .not_reached, svg .waiting { fill: var(--line); }
svg .running { fill: var(--running); }

.share { border-radius: 4px; }
.counts { display: flex; flex-wrap: wrap; gap: 0.375rem 1.75rem; margin: 0.75rem 0 0; padding: 0; list-style: none; }
.counts b { margin-left: 0.375rem; font-weight: 650; }

.facts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 2.5rem; margin: 1.75rem 0 0; }
.facts div {
  display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: 0.75rem; padding: 0.375rem 0;
  border-top: 1px solid var(--line);
}
.facts .wide { grid-column: 1 / -1; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }

/* The timeline. */
.timeline { display: grid; grid-template-columns: auto minmax(0, 1fr); }
.timeline > :first-child:not(.plot) { padding-right: 0.75rem; }
.timeline > .plot:first-child { grid-column: 1 / -1; }
.gutter { overflow: visible; }
.timeline path.ok { opacity: 0.55; }
.timeline text { font: 0.6875rem var(--text); fill: var(--quiet); }
.timeline text.in { fill: var(--on-fill); font-weight: 600; }
.timeline text.by, .timeline text.wave { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3; }
.timeline .grid { stroke: var(--line); shape-rendering: crispEdges; }
.timeline line.wave { stroke: var(--not-reached); shape-rendering: crispEdges; }
.timeline .call { stroke: var(--paper); stroke-width: 2; }
.names { margin: 0; padding: 24px 0 0; max-width: 18rem; list-style: none; font-size: 0.8125rem; }
.names li { display: flex; height: 20px; line-height: 20px; gap: 0.75rem; justify-content: flex-end; }
.names a { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: inherit; text-decoration: none; }
.names a:hover { text-decoration: underline; }
.names i { flex: 1; font-style: normal; font-size: 0.6875rem; color: var(--quiet); white-space: nowrap; }
.names li.first { box-shadow: 0 -1px var(--not-reached); }
.legend { margin-top: 0.75rem; font-size: 0.8125rem; color: var(--quiet); max-width: none; }
.key { white-space: nowrap; margin-right: 1rem; }
.key svg { display: inline-block; margin-right: 0.375rem; }
.key .ok { opacity: 0.55; }

.scroll { overflow-x: auto; }
.waves { border-collapse: collapse; margin-top: 0.5rem; font-size: 0.875rem; }
.waves td:not(:last-child) { white-space: nowrap; }
.waves th, .waves td { padding: 0.25rem 1.5rem 0.25rem 0; text-align: right; border-bottom: 1px solid var(--line); }
.waves th { font-weight: 400; color: var(--quiet); }
.waves td:last-child, .waves th:last-child { padding-right: 0; text-align: left; }

/* Outputs. */
summary { cursor: pointer; }
.group { border-top: 1px solid var(--line); }
.group > summary {
  display: grid; grid-template-columns: 1rem 7rem 8.5rem minmax(0, 1fr); align-items: baseline; gap: 0 0.5rem;
  padding: 0.5rem 0; list-style: none;
}
.group > summary::-webkit-details-marker, .more summary::-webkit-details-marker { display: none; }
.group > summary::before { content: "›"; color: var(--quiet); text-align: center; }
.group[open] > summary::before { transform: rotate(90deg); }
.group > summary:hover { background: var(--sheet); }
.group > summary b { white-space: nowrap; font-weight: 650; text-align: right; padding-right: 0.75rem; }
.group > summary code { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--quiet); }
.group > div { padding: 0.25rem 0 1rem 1.5rem; }
.group > p {
  padding-left: 1.5rem; max-width: none; font-size: 0.8125rem; overflow-wrap: anywhere; max-height: 12rem;
  overflow-y: auto;
}
.groups > details:last-child { border-bottom: 1px solid var(--line); }
.others { margin: 0.75rem 0; max-width: none; }
pre {
  margin: 0 0 0.75rem; padding: 0.625rem 0.875rem; max-height: 30rem; overflow: auto; border-radius: 5px;
  background: var(--sheet); line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 8;
}

/* The hosts. */
.controls { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 1rem; margin: 0 0 0.75rem; }
.controls[hidden] { display: none; }
.controls label { flex: 1 1 16rem; max-width: 24rem; }
.controls input {
  width: 100%; padding: 0.375rem 0.625rem; border: 1px solid var(--not-reached); border-radius: 5px;
  background: var(--paper); color: inherit; font: inherit;
}
.controls div { display: flex; flex-wrap: wrap; gap: 0.25rem; }
.controls button {
  padding: 0.25rem 0.625rem; border: 1px solid transparent; border-radius: 999px; background: none; color: var(--quiet);
  font: inherit; font-size: 0.875rem; cursor: pointer;
}
.controls button:hover { background: var(--sheet); }
.controls button[aria-pressed="true"] { background: var(--band); border-color: var(--not-reached); color: var(--ink); }
.shown { flex-basis: 100%; margin: 0; font-size: 0.8125rem; color: var(--quiet); }
.hidden-label {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
table.hosts, .hosts tbody { display: block; }
.hosts tr {
  display: grid; position: relative; padding: 0.375rem 0; border-top: 1px solid var(--line); gap: 0 1.25rem;
  grid-template-columns: minmax(0, var(--name)) 8rem 6.5rem 4.5rem 3.5rem minmax(0, 1fr) 4rem;
}
.hosts tbody tr { content-visibility: auto; contain-intrinsic-size: auto 2.25rem; }
.hosts tr[hidden] { display: none; }
.hosts tbody tr:hover { background: var(--sheet); }
.hosts thead { display: block; position: sticky; top: 0; z-index: 1; background: var(--paper); }
.hosts thead tr { border-top: 0; }
.hosts th, .hosts td { padding: 0; text-align: left; font-weight: 400; }
.hosts thead th, .hosts thead button { font-size: 0.8125rem; color: var(--quiet); }
.hosts thead button { margin: 0; padding: 0; border: 0; background: none; font-family: inherit; cursor: pointer; }
.hosts thead button:hover { color: var(--ink); }
.hosts [aria-sort] button { color: var(--ink); font-weight: 600; }
.hosts [aria-sort="ascending"] button::after { content: " ↑"; }
.hosts [aria-sort="descending"] button::after { content: " ↓"; }
.hosts tbody th { font-weight: 550; overflow-wrap: anywhere; }
.hosts .f { text-align: right; }
.hosts .m { overflow-wrap: anywhere; color: var(--quiet); }
.hosts .more { grid-column: 1 / -1; }
.hosts .more > details > summary {
  position: absolute; top: 0.375rem; right: 0.25rem; list-style: none; font-size: 0.8125rem; line-height: 1.40625rem;
  color: var(--link);
}
.hosts .more > details > summary::after { content: "›"; display: inline-block; margin-left: 0.375rem; }
.hosts .more > details[open] > summary::after { transform: rotate(90deg); }
.hosts .more > details > div { padding: 0.75rem 0 0.25rem; }
.jobs { margin: 0 0 0.5rem; max-width: none; font-size: 0.8125rem; color: var(--quiet); overflow-wrap: anywhere; }
footer { margin-top: 3rem; font-size: 0.8125rem; color: var(--quiet); }

@media (max-width: 66rem), print {
  .hosts tr { grid-template-columns: minmax(0, var(--name)) 8rem 6.5rem 4.5rem 3.5rem minmax(3rem, 1fr); }
  .hosts thead th:nth-child(n + 6), .hosts .m:empty { display: none; }
  .hosts .m { grid-column: 1 / -1; }
}
@media (max-width: 46rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  h2 { margin-top: 2.25rem; }
  .facts { grid-template-columns: minmax(0, 1fr); }
  .facts div { grid-template-columns: 5.5rem minmax(0, 1fr); }
  .names { max-width: 7rem; }
  .names i { display: none; }
  .waves th, .waves td { padding-right: 0.875rem; }
  .group > summary { grid-template-columns: 1rem auto 1fr; }
  .group > summary b { padding-right: 0.25rem; }
  .group > summary code { grid-column: 2 / -1; }
  .group > div, .group > p { padding-left: 0; }
  .controls label { max-width: none; }
  .hosts thead { position: static; }
  .hosts thead tr { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
  .hosts tbody tr {
    grid-template-columns: minmax(0, 1fr) auto; padding: 0.5rem 0; gap: 0.125rem 0.75rem;
    contain-intrinsic-size: auto 4rem;
  }
  .hosts td.f { grid-column: 1; text-align: left; font-size: 0.8125rem; color: var(--quiet); }
  .hosts tbody td:nth-child(4), .hosts tbody td:nth-child(5) { display: none; }
  .hosts td.f[data-more]::after { content: " · " attr(data-more); }
  .hosts .m { font-size: 0.875rem; }
  .hosts .more > details > summary { top: 2rem; }
}
@media print {
  :root { --paper: #fff; --sheet: #f6f7f8; --ink: #000; --quiet: #444; --line: #ccc; --link: #000; --on-fill: #fff; }
  body { font-size: 9pt; }
  main { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .controls, .hosts .more > details:not([open]) { display: none; }
  .hosts thead { position: static; }
  .hosts tr { content-visibility: visible; break-inside: avoid; }
  pre { max-height: none; }
  h2 { break-after: avoid; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
]]

report_page.SCRIPT = [[
"use strict";
window.onerror = function (message) { document.documentElement.dataset.failed = message; };
(function () {
  var table = document.querySelector("table.hosts"), body = table.tBodies[0];
  var rows = Array.from(body.rows);
  var search = document.querySelector(".controls input");
  var buttons = Array.from(document.querySelectorAll(".controls button"));
  var shown = document.querySelector(".shown");
  var wanted = "all";

  // What hosts said the same is in the page once: a host's details show it when they are opened.
  function sharedOf(row) {
    var link = row.querySelector("a.same");
    return link && document.getElementById(link.getAttribute("href").slice(1));
  }
  function fill(details) {
    var row = details.closest("tr"), shared = row && sharedOf(row);
    if (!shared || details.dataset.filled) { return; }
    details.dataset.filled = "yes";
    var copy = shared.cloneNode(true);
    copy.removeAttribute("id");
    details.lastElementChild.appendChild(copy);
  }
  document.addEventListener("toggle", function (event) {
    if (event.target.open && body.contains(event.target)) { fill(event.target); }
  }, true);
  body.addEventListener("click", function (event) {
    if (event.target.closest("a, summary, details") || String(window.getSelection())) { return; }
    var details = event.target.closest("tr").querySelector("details");
    if (details) { details.open = !details.open; }
  });

  // What is searched: the row, with its output.
  var texts = new Map();
  function textOf(row) {
    if (!texts.has(row)) {
      var shared = sharedOf(row);
      texts.set(row, (row.textContent + (shared ? " " + shared.textContent : "")).toLowerCase());
    }
    return texts.get(row);
  }
  function isWanted(row) {
    var outcome = row.dataset.o;
    return wanted === "all" || outcome === wanted ||
      wanted === "failed" && ["ok", "not_reached", "running", "waiting"].indexOf(outcome) < 0;
  }
  function filter() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), count = 0;
    rows.forEach(function (row) {
      var is = isWanted(row) && words.every(function (word) { return textOf(row).indexOf(word) >= 0; });
      row.hidden = !is;
      count += is ? 1 : 0;
    });
    shown.textContent = count === rows.length ? "" : count + " of " + rows.length + " hosts";
  }
  var later = 0;
  search.addEventListener("input", function () {
    clearTimeout(later);
    later = setTimeout(filter, rows.length > 500 ? 150 : 0);
  });
  buttons.forEach(function (button) {
    button.addEventListener("click", function () {
      wanted = button.value;
      buttons.forEach(function (other) { other.setAttribute("aria-pressed", String(other === button)); });
      filter();
    });
  });

  var compare = new Intl.Collator(undefined, { numeric: true }).compare;
  function keyOf(row, column) {
    var cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  }
  function sort(column, header) {
    var down = header.getAttribute("aria-sort") === "ascending";
    var keyed = rows.map(function (row, at) { return { row: row, at: at, key: keyOf(row, column) }; });
    keyed.sort(function (a, b) {
      var order = typeof a.key === "number" ? a.key - b.key : compare(a.key, b.key);
      return (down ? -order : order) || a.at - b.at;
    });
    table.querySelectorAll("[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    var fragment = document.createDocumentFragment();
    keyed.forEach(function (item) { fragment.appendChild(item.row); });
    body.appendChild(fragment);
  }
  Array.from(table.tHead.rows[0].cells).slice(0, 6).forEach(function (header, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", function () { sort(column, header); });
    header.replaceChildren(button);
  });

  document.querySelector(".controls").hidden = false;
  document.documentElement.dataset.ready = "yes";
})();
]]

return report_page
