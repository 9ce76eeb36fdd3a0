// What went wrong, the same things together: how often, since when, where, and an example.

import { classes, html, useLoad, useState } from "../core/view.js";
import { get, part } from "../core/api.js";
import { both, quoted } from "../core/filter.js";
import { age, clock, count, cut, plural, shortId } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import * as ranges from "../core/range.js";
import { useRefresh } from "../core/refresh.js";
import { change, href, usePlace } from "../core/url.js";
import { Sparkline } from "../ui/charts.js";
import { Empty, Failure } from "../ui/empty.js";
import { Icon } from "../ui/icons.js";
import { useQuestion } from "../ui/querybar.js";
import { Segmented } from "../ui/segmented.js";
import { Exceptions } from "../trace/detail.js";

const SECONDS = 5;
const MOST = 1000;

export function Errors() {
  const question = useQuestion();
  const { params } = usePlace();
  const sort = params.get("sort") ?? "-count";
  const chosen = params.get("error");
  const [limit, setLimit] = useState(100);
  const { data, error, loading, reload } = useLoad((signal) => get("errors", { ...question, sort, limit }, signal), [question.filter, question.range, question.group, question.run, sort, limit]);
  useRefresh(reload, SECONDS, ranges.isLive(question.range));
  const groups = data?.errors ?? [];
  const at = groups.findIndex(({ id }) => id === chosen);
  const choose = (id) => change({ error: id === chosen ? null : id }, { replace: chosen !== null });
  const step = (by) => groups.length && change({ error: groups[Math.max(0, Math.min(groups.length - 1, at < 0 ? 0 : at + by))].id }, { replace: true });
  useKeys([
    { keys: "j", label: "Next error", group: "List", run: () => step(1) },
    { keys: "k", label: "Error before", group: "List", run: () => step(-1) },
    { keys: "Escape", label: "Close", group: "List", run: () => chosen && change({ error: null }, { replace: true }) },
  ]);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" />Looking …</div>`;
  if (!groups.length && !loading) return html`<${NoErrors} />`;
  return html`
    <div class="page wide errors">
      <div class="page-head"><h1>Errors</h1>
        <p class="dim">${plural(data.groups, "kind")} of failures${data.complete ? "" : " so far"}: the same type, the same message apart from numbers and ids, the same place in the code.</p>
        <span class="spacer" />
        <${Segmented} label="Order" value=${sort} choices=${[["-count", "Most"], ["-last", "Latest"], ["-first", "Newest kind"]]} choose=${(value) => change({ sort: value === "-count" ? null : value })} />
      </div>
      <ul class="stack error-list">
        ${groups.map((group) => html`<${Group} key=${group.id} group=${group} step=${data.step} open=${group.id === chosen} onToggle=${() => choose(group.id)} question=${question} />`)}
      </ul>
      ${data.groups > groups.length && limit < MOST ? html`<div class="row"><button type="button" class="button" onClick=${() => setLimit(MOST)}>${plural(data.groups - groups.length, "more kind")}</button></div>` : null}
    </div>
  `;
}

function NoErrors() {
  const question = useQuestion();
  const { data } = useLoad((signal) => get("status", {}, signal), [question.range]);
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  if (data.store.traces === 0) return html`<${Empty} />`;
  return html`
    <div class="notice center">
      <h1>No exceptions</h1>
      <p class="dim">No trace in “${ranges.name(question.range)}” has recorded one${question.filter ? " that fits the filter" : ""}. Answers with 4xx and 5xx alone are found by <a href=${href("/traces", { filter: "fault OR error" })}><code>fault OR error</code></a>.</p>
    </div>
  `;
}

function Group({ group, step, open, onToggle, question }) {
  const now = Date.now() / 1000;
  const { frame } = group;
  return html`
    <li class=${classes("panel error-group", open && "open")}>
      <button type="button" class="error-head" aria-expanded=${String(open)} onClick=${onToggle}>
        <span class="error-what">
          <b class="text-fault">${group.type ?? "Exception"}</b> <span>${cut(group.message ?? "", 400)}</span>
          <span class="dim small">${frame ? html`<code>${frame.path}${frame.line === null || frame.line === undefined ? "" : `:${frame.line}`}</code> in <code>${frame.label}</code> · ` : null}${group.services.map(({ name }) => name).join(", ")}</span>
        </span>
        <${Sparkline} values=${group.series} kind="fault" label="In the course of time, ${Math.round(step)} s each: ${group.series.join(", ")}" />
        <span class="error-count"><b>${count(group.count)}</b><span class="dim small">${plural(group.traces, "trace")}</span></span>
        <span class="error-times small"><span title=${clock(group.last, true)}>${age(group.last, now)}</span><span class="dim" title=${clock(group.first, true)}>first ${age(group.first, now)}</span></span>
        <${Icon} name=${open ? "up" : "down"} small />
      </button>
      ${open ? html`<${More} group=${group} question=${question} />` : null}
    </li>
  `;
}

function More({ group, question }) {
  const { data, error } = useLoad((signal) => get(`errors/${part(group.id)}`, question, signal), [group.id]);
  const now = Date.now() / 1000;
  const samples = data?.samples ?? group.samples;
  return html`
    <div class="error-more">
      <section>
        <h3>The newest one</h3>
        ${error ? html`<p class="banner fault">${error.message}</p>` : null}
        ${data ? html`<${Exceptions} exceptions=${data.exceptions} />` : null}
      </section>
      <section>
        <h3>Examples</h3>
        <ul class="samples">
          ${samples.map((sample) => html`
            <li><a href=${href(`/traces/${part(sample.trace_id)}`, { row: sample.entity })}><span class="nowrap">${age(sample.time, now)}</span> <span class="mono">${shortId(sample.trace_id)}</span></a></li>
          `)}
        </ul>
        <p><a class="button" href=${href("/traces", { filter: both(question.filter, `rootcause.fault.exception { name = ${quoted(group.type ?? "")} } OR rootcause.error.exception { name = ${quoted(group.type ?? "")} }`) })}>See traces with it</a></p>
      </section>
    </div>
  `;
}
