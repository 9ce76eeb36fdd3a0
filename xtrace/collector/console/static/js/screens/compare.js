// Two traces side by side, their rows paired: what one has and the other has not, and where the time went.

import { classes, html, useLoad, useMemo, useState } from "../core/view.js";
import { get, numbered, part } from "../core/api.js";
import { age, clock, difference, duration, plural, shortId } from "../core/format.js";
import { marks } from "../core/marks.js";
import { change, go, href, usePlace } from "../core/url.js";
import { Failure } from "../ui/empty.js";
import { Icon } from "../ui/icons.js";
import { Segmented } from "../ui/segmented.js";
import { Status } from "../ui/status.js";
import { Url } from "./traces.js";
import { statusOf } from "../trace/model.js";

const STEP = 400;

export function Compare() {
  const { params } = usePlace();
  const a = params.get("a");
  const b = params.get("b");
  if (!a || !b) return html`<${Choose} a=${a} b=${b} />`;
  return html`<${Both} key="${a} ${b}" a=${a} b=${b} />`;
}

function Choose({ a, b }) {
  const marked = marks.use();
  const [first, setFirst] = useState(a ?? marked[0] ?? "");
  const [second, setSecond] = useState(b ?? marked[1] ?? "");
  return html`
    <form class="notice" onSubmit=${(event) => { event.preventDefault(); go(href("/compare", { a: first.trim(), b: second.trim() })); }}>
      <h1>Compare two traces</h1>
      <p class="dim">Mark two in the list of traces with <kbd>x</kbd>, or paste their ids. They may be of different runs: before a change and after it.</p>
      <label class="field compare-field"><span>First</span><input class="input mono" required value=${first} onInput=${(event) => setFirst(event.target.value)} /></label>
      <label class="field compare-field"><span>Second</span><input class="input mono" required value=${second} onInput=${(event) => setSecond(event.target.value)} /></label>
      <button class="button primary">Compare</button>
    </form>
  `;
}

function Both({ a, b }) {
  const { params } = usePlace();
  const { data, error, reload } = useLoad((signal) => get("compare", { a, b }, signal), [a, b]);
  const kind = params.get("show") ?? "all";
  const [limit, setLimit] = useState(STEP);
  const column = data && numbered(data.columns);
  const rows = useMemo(() => {
    if (!data) return [];
    if (kind === "one") return data.rows.filter((row) => row[column.a] === null || row[column.b] === null);
    if (kind === "slower") return data.rows.filter((row) => Math.abs(row[column.difference] ?? 0) > 0).sort((x, y) => Math.abs(y[column.difference]) - Math.abs(x[column.difference]));
    return data.rows;
  }, [data, kind]);
  if (error) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" />Comparing …</div>`;
  const longest = Math.max(1e-9, ...data.rows.map((row) => Math.abs(row[column.difference] ?? 0)));
  return html`
    <div class="page wide compare">
      <div class="page-head"><h1>Compare</h1>
        <p class="dim">${data.only_a || data.only_b ? `${plural(data.only_a, "row")} only in A, ${plural(data.only_b, "row")} only in B.` : "The same rows in both."}</p>
        <span class="spacer" />
        <button type="button" class="button" onClick=${() => change({ a: b, b: a })}><${Icon} name="compare" />Swap</button>
        <${Segmented} label="Rows" value=${kind} choices=${[["all", "All rows"], ["slower", "By difference"], ["one", "In one only"]]} choose=${(value) => change({ show: value === "all" ? null : value })} />
      </div>
      <div class="compare-heads">
        <${One} letter="A" id=${a} head=${data.a} /><${One} letter="B" id=${b} head=${data.b} other=${data.a} />
      </div>
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Rows of both">
        <table class="compare-table">
          <thead><tr><th scope="col">Row</th><th scope="col" class="number">A</th><th scope="col" class="number">B</th><th scope="col" class="number">Difference</th><th scope="col"><span class="visually-hidden">As a bar</span></th></tr></thead>
          <tbody>${rows.slice(0, limit).map((row, index) => html`<${Row} key=${index} ...${{ row, column, longest, a, b, flat: kind !== "all" }} />`)}</tbody>
        </table>
        ${rows.length === 0 ? html`<p class="dim more-values">None.</p>` : null}
      </section>
      ${rows.length > limit ? html`<div class="row"><button type="button" class="button" onClick=${() => setLimit(limit + STEP * 5)}>${plural(rows.length - limit, "more row")}</button></div>` : null}
    </div>
  `;
}

function One({ letter, id, head, other }) {
  return html`
    <section class="panel compare-head">
      <span class="letter letter-${letter.toLowerCase()}">${letter}</span>
      <div>
        <h2><${Status} status=${head.status}>${head.http_status ?? ""}</${Status}> ${head.method ?? ""} <a href=${href(`/traces/${part(id)}`)}><${Url} url=${head.url} service=${head.service} /></a></h2>
        <p class="dim"><b>${duration(head.duration)}</b>${other ? html` <span class=${head.duration > other.duration ? "text-fault" : "text-ok"}>${difference(head.duration - other.duration)}</span>` : null} · <span title=${clock(head.start, true)}>${age(head.start, Date.now() / 1000)}</span>${head.run ? ` · run ${head.run}` : ""} · <span class="mono">${shortId(id)}</span></p>
      </div>
    </section>
  `;
}

function Row({ row, column, longest, a, b, flat }) {
  const [inA, inB] = [row[column.a], row[column.b]];
  const change_ = row[column.difference];
  const cell = (trace, id, seconds, flags) => {
    if (id === null) return html`<span class="dimmer">–</span>`;
    const status = statusOf(flags ?? 0);
    return html`<a href=${href(`/traces/${part(trace)}`, { row: id })} title="In the timeline">${status === "ok" ? null : html`<${Status} status=${status} />`} ${duration(seconds)}</a>`;
  };
  return html`
    <tr class=${classes(inA === null && "only-b", inB === null && "only-a")}>
      <th scope="row"><span class="compare-name" style=${{ paddingLeft: flat ? "0" : `${Math.min(30, row[column.depth]) * 0.875}rem` }}>
        <b>${row[column.name]}</b> <span class="dim">${row[column.label] && row[column.label] !== row[column.name] ? row[column.label] : ""}</span>
        ${inA === null ? html` <span class="tag letter-b">only in B</span>` : null}${inB === null ? html` <span class="tag letter-a">only in A</span>` : null}
      </span></th>
      <td class="number">${cell(a, inA, row[column.a_duration], row[column.a_flags])}</td>
      <td class="number">${cell(b, inB, row[column.b_duration], row[column.b_flags])}</td>
      <td class=${classes("number", change_ > 0 && "text-fault", change_ < 0 && "text-ok")}>${change_ === null ? "" : difference(change_)}</td>
      <td class="delta-cell" aria-hidden="true">${change_ ? html`<span class="delta"><i class=${change_ > 0 ? "more-time" : "less-time"} style=${{ width: `${(Math.abs(change_) / longest) * 50}%` }} /></span>` : null}</td>
    </tr>
  `;
}
