// The other views of one trace: statistics, log lines, documents.

import { html, useLoad, useMemo, useState } from "../core/view.js";
import { get, numbered, part, records } from "../core/api.js";
import { bytes, clock, count, duration, iso, percent, plural } from "../core/format.js";
import { Code } from "../ui/code.js";
import { CopyButton } from "../ui/copy.js";
import { Failure } from "../ui/empty.js";

const Loading = () => html`<div class="loading"><span class="spinner" />Loading …</div>`;

const STATISTICS = [
  ["service", "Service"], ["name", "Name"], ["count", "Count"], ["total", "Total"], ["self", "Self"], ["average", "Average"], ["max", "Longest"], ["errors", "Errors"], ["faults", "Faults"],
];

export function Statistics({ id, revision, model, onFind }) {
  const { data, error } = useLoad((signal) => get(`traces/${part(id)}/statistics`, {}, signal), [id, revision]);
  const [order, setOrder] = useState("-self");
  const column = data && numbered(data.columns);
  const rows = useMemo(() => {
    if (!data) return [];
    const index = column[order.replace("-", "")];
    const sign = order.startsWith("-") ? -1 : 1;
    return [...data.rows].sort((a, b) => sign * (typeof a[index] === "string" ? a[index].localeCompare(b[index]) : (a[index] ?? 0) - (b[index] ?? 0)));
  }, [data, order]);
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return html`<${Loading} />`;
  const longest = Math.max(...rows.map((row) => row[column.self] ?? 0), 1e-9);
  return html`
    <div class="page">
      <p class="dim">Where the time went, by service and name. <b>Self</b> is an entry's duration less the time in which anything below it was going on.</p>
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Statistics">
        <table>
          <thead><tr>${STATISTICS.map(([name, title], index) => html`
            <th scope="col" class=${index > 1 ? "number" : null} aria-sort=${order.replace("-", "") === name ? (order.startsWith("-") ? "descending" : "ascending") : null}>
              <button type="button" class="sort" onClick=${() => setOrder(order === `-${name}` ? name : `-${name}`)}>${title}</button>
            </th>`)}</tr></thead>
          <tbody>${rows.map((row) => html`
            <tr>
              <td>${row[column.service]}</td>
              <th scope="row"><button type="button" class="link-button" title="Find in the timeline" onClick=${() => onFind(row[column.name])}>${row[column.name]}</button></th>
              <td class="number">${count(row[column.count])}</td><td class="number">${duration(row[column.total])}</td>
              <td class="number nowrap">${duration(row[column.self])} <span class="dim self-share">${percent((row[column.self] ?? 0) / model.span)}</span> <span class="meter wide-only" aria-hidden="true"><i style=${{ width: `${((row[column.self] ?? 0) / longest) * 100}%` }} /></span></td>
              <td class="number">${duration(row[column.average])}</td><td class="number">${duration(row[column.max])}</td>
              <td class="number ${row[column.errors] ? "text-error" : ""}">${count(row[column.errors])}</td><td class="number ${row[column.faults] ? "text-fault" : ""}">${count(row[column.faults])}</td>
            </tr>`)}</tbody>
        </table>
      </section>
    </div>
  `;
}

export function Logs({ id, revision, model, onSelect }) {
  const { data, error } = useLoad((signal) => get(`traces/${part(id)}/logs`, {}, signal), [id, revision]);
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return html`<${Loading} />`;
  const lines = records(data);
  if (!lines.length) return html`<div class="notice center"><h1>No log lines</h1><p class="dim">Lines that are recorded with a trace stand here, in the order of time, beside the row they belong to.</p></div>`;
  return html`
    <div class="page">
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Log lines">
        <table class="logs">
          <thead><tr><th scope="col">Time</th><th scope="col">Level</th><th scope="col">Message</th><th scope="col">Logger</th><th scope="col">In</th></tr></thead>
          <tbody>${lines.map((line) => html`
            <tr class="log-${String(line.level ?? "").toLowerCase()}">
              <td class="nowrap mono" title=${line.time === null ? null : iso(line.time)}>${line.time === null ? "" : clock(line.time, true)}</td><td class="log-level">${line.level}</td><td class="log-message">${line.message}</td><td class="dim">${line.logger}</td>
              <td>${line.row >= 0 && line.row < model.length ? html`<button type="button" class="link-button" onClick=${() => onSelect(model.ids[line.row])}>${model.title(line.row)}</button>` : ""}</td>
            </tr>`)}</tbody>
        </table>
      </section>
    </div>
  `;
}

const MANY = 50;

export function Raw({ id, revision }) {
  const { data, error } = useLoad((signal) => get(`traces/${part(id)}/raw`, {}, signal), [id, revision]);
  const [pretty, setPretty] = useState(true);
  const [limit, setLimit] = useState(MANY);
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return html`<${Loading} />`;
  const size = data.documents.reduce((sum, each) => sum + each.length, 0);
  return html`
    <div class="page">
      <div class="row wrap">
        <span class="dim">${plural(data.documents.length, "document")}, ${bytes(size)}, in the order of arrival</span>
        <label class="check"><input type="checkbox" checked=${pretty} onChange=${(event) => setPretty(event.target.checked)} />Indented</label>
        <span class="spacer" />
        <${CopyButton} text=${() => data.documents.join("\n")} what="The documents" small=${false} />
      </div>
      ${data.documents.slice(0, limit).map((text, index) => html`<${Code} key=${index} text=${pretty ? indented(text) : text} what="Document ${index + 1}" />`)}
      ${data.documents.length > limit ? html`<button type="button" class="button" onClick=${() => setLimit(limit + MANY * 4)}>${plural(data.documents.length - limit, "more document")}</button>` : null}
    </div>
  `;
}

const LARGE = 500_000;

/** A document with line ends, unless it is so large that this takes long. Numbers stay as they were written. */
function indented(text) {
  if (text.length > LARGE) return text;
  let depth = 0;
  let inText = false;
  let made = "";
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inText) {
      made += char;
      if (char === "\\") made += text[(at += 1)] ?? "";
      else if (char === '"') inText = false;
    } else if (char === '"') {
      inText = true;
      made += char;
    } else if (char === "{" || char === "[") {
      depth += 1;
      const isEmpty = /^\s*[}\]]/.test(text.slice(at + 1, at + 20));
      made += isEmpty ? char : `${char}\n${"  ".repeat(Math.min(depth, 60))}`;
    } else if (char === "}" || char === "]") {
      depth -= 1;
      const isEmpty = /[{[]$/.test(made);
      made += isEmpty ? char : `\n${"  ".repeat(Math.max(0, Math.min(depth, 60)))}${char}`;
    } else if (char === ",") {
      made += `,\n${"  ".repeat(Math.min(depth, 60))}`;
    } else if (char === ":") {
      made += ": ";
    } else if (!/\s/.test(char)) {
      made += char;
    }
  }
  return made;
}
