// Two sets of traces, and what is different about them.

import { classes, html, useEffect, useLoad, useState } from "../core/view.js";
import { get, numbered } from "../core/api.js";
import { both, within } from "../core/filter.js";
import { count, duration, percent, plural } from "../core/format.js";
import * as ranges from "../core/range.js";
import { useRefresh } from "../core/refresh.js";
import { change, href, usePlace } from "../core/url.js";
import { binTable, Chart, Histogram, TimeBars, timeTable } from "../ui/charts.js";
import { Empty, Failure } from "../ui/empty.js";
import { Icon } from "../ui/icons.js";
import { RunMenu, useQuestion } from "../ui/querybar.js";
import { Segmented } from "../ui/segmented.js";
import { facetName, Value } from "./traces.js";

const SECONDS = 10;
const VALUES = 8;

export function Analytics() {
  const question = useQuestion();
  const { params } = usePlace();
  const a = params.get("a") ?? "";
  const b = params.get("b");
  const runB = params.get("run_b") ?? question.run;
  const active = b !== null && params.get("set") === "b" ? "b" : "a";
  const { data, error, loading, reload } = useLoad(
    (signal) => get("analytics", { range: question.range, group: question.group, run: question.run, a, b: b === "" ? " " : b, run_b: b === null ? null : runB, limit: VALUES }, signal),
    [question.range, question.group, question.run, a, b, runB],
  );
  useRefresh(reload, SECONDS, ranges.isLive(question.range));
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  if (!data.all.count && !loading) return html`<${Empty} />`;
  const narrow = (set, more) => change({ [set]: both(set === "a" ? a : b ?? "", more), set: set === "b" ? "b" : null });
  return html`
    <div class="page wide analytics">
      <div class="page-head"><h1>Analytics</h1>
        <p class="dim">${plural(data.all.count, "trace")}. Narrow set A by clicking on values or dragging over charts; add set B to see what is different.</p>
        <span class="spacer" />
        ${b === null ? html`<button type="button" class="button" onClick=${() => change({ b: a || " ", set: "b" })}><${Icon} name="compare" />Compare: copy A to B</button>`
          : html`<span class="dim small">Clicks change</span><${Segmented} label="Clicks change" value=${active} choices=${[["a", "A"], ["b", "B"]]} choose=${(value) => change({ set: value === "a" ? null : value }, { replace: true })} />
            <button type="button" class="button" onClick=${() => change({ b: null, set: null, run_b: null })}>Without B</button>`}
      </div>
      ${error ? html`<p class="banner fault">${error.message}</p>` : null}
      <div class=${classes("sets", b !== null && "two")}>
        <${One} letter="A" set=${data.a} all=${data.all} filter=${a} name="a" narrow=${narrow} run=${question.run} />
        ${b === null ? null : html`<${One} letter="B" set=${data.b ?? data.a} all=${runB === question.run ? data.all : null} filter=${b.trim()} name="b" narrow=${narrow} run=${runB}
          pickRun=${(name) => change({ run_b: name === question.run ? null : name })} />`}
      </div>
      <div class="facets">
        ${data.facets.filter(({ rows }) => rows.length).map((facet) => html`<${Facet} key=${facet.by} facet=${facet} two=${b !== null} pick=${(filter) => narrow(active, filter)} />`)}
      </div>
    </div>
  `;
}

/** all: what the set is a part of; null if that isn't what set A is of. pickRun: called with another run. */
function One({ letter, set, all, filter, name, narrow, run, pickRun }) {
  const [text, setText] = useState(filter);
  useEffect(() => setText(filter), [filter]);
  const apply = (value) => change({ [name]: name === "b" && !value.trim() ? " " : value.trim() });
  return html`
    <section class="set set-${name}" aria-label="Set ${letter}">
      <div class="row set-bar">
        <span class="letter letter-${name}">${letter}</span>
        <input class="input mono" aria-label="Filter of set ${letter}" spellcheck="false" placeholder="every trace" value=${text} onInput=${(event) => setText(event.target.value)}
          onKeyDown=${(event) => event.key === "Enter" && apply(text)} onBlur=${() => text !== filter && apply(text)} />
        ${filter ? html`<button type="button" class="icon-button" aria-label="Clear set ${letter}" onClick=${() => apply("")}><${Icon} name="close" /></button>` : null}
        ${pickRun ? html`<${RunMenu} run=${run} of=" of set ${letter}" choose=${pickRun} />` : null}
        <a class="button" href=${href("/traces", { filter, run })}>View</a>
      </div>
      <${Chart} title="Response time" note=${html`${plural(set.count, "trace")} ${all ? ` (${percent(all.count ? set.count / all.count : 0)})` : ""} · median ${duration(set.p50)} · p95 ${duration(set.p95)}`} table=${() => binTable(set.bounds, set.histogram)}>
        <${Histogram} bounds=${set.bounds} counts=${set.histogram} height=${110} label="Set ${letter} by response time" onSelect=${(from, to) => narrow(name, within(from, to))} />
      </${Chart}>
      <${Chart} title="Over time" note="" table=${() => timeTable(set.starts, set.series)}>
        <${TimeBars} starts=${set.starts} step=${set.step} counts=${set.series} height=${96} label="Set ${letter} over time" onSelect=${(from, to) => change({ range: ranges.absolute(from, to) })} />
      </${Chart}>
    </section>
  `;
}

function Facet({ facet, two, pick }) {
  const column = numbered(facet.columns);
  return html`
    <section class="panel table-wrap facet" tabindex="0" role="region" aria-label=${facetName(facet.by)}>
      <table>
        <thead><tr><th scope="col">${facetName(facet.by)}</th><th scope="col" class="number">A</th><th scope="col" class="number">Average</th>
          ${two ? html`<th scope="col" class="number">B</th><th scope="col" class="number">Average</th><th scope="col" class="number">Delta</th>` : null}</tr></thead>
        <tbody>${facet.rows.map((row) => {
          const filter = row[column.filter];
          const text = html`<${Value} by=${facet.by} value=${row[column.value]} />`;
          const delta = row[column.delta];
          return html`
            <tr>
              <th scope="row" class="facet-value">${filter ? html`<button type="button" class="link-button" title="Only these: ${filter}" onClick=${() => pick(filter)}>${text}</button>` : text}</th>
              <td class="number" title=${count(row[column.a])}>${percent(row[column.a_share])}</td><td class="number dim">${duration(row[column.a_average])}</td>
              ${two ? html`<td class="number" title=${count(row[column.b])}>${percent(row[column.b_share])}</td><td class="number dim">${duration(row[column.b_average])}</td>
                <td class=${classes("number strong", Math.abs(delta ?? 0) >= 0.1 && "big-delta")}>${delta === null || delta === undefined ? "" : `${delta > 0 ? "+" : delta < 0 ? "−" : ""}${percent(Math.abs(delta))}`}</td>` : null}
            </tr>`;
        })}</tbody>
      </table>
    </section>
  `;
}
