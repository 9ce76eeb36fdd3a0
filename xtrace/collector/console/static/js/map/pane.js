// What is known of a node or a call of the map, and the way to its traces.

import { html, useLoad, useState } from "../core/view.js";
import { get, numbered } from "../core/api.js";
import { both, inside, within } from "../core/filter.js";
import { count, duration, percent, plural, rate } from "../core/format.js";
import { change, href } from "../core/url.js";
import { binned, Histogram, TimeBars } from "../ui/charts.js";
import { Icon } from "../ui/icons.js";
import { Shape, SHORT_WORDS, STATUSES } from "../ui/status.js";
import { Segmented } from "../ui/segmented.js";

/**
 * @param {{graph: any, chosen: any, isEdge: boolean, question: any, onSelect: (key: string | null) => void, hops?: string, focus?: string | null}} props
 * chosen: the node or edge.
 */
export function Pane({ graph, chosen, isEdge, question, onSelect, hops, focus }) {
  const [ticked, setTicked] = useState([]);
  const [range, setRange] = useState(null);
  const node = (key) => graph.nodes.find((each) => each.key === key);
  const source = isEdge ? node(chosen.source) : null;
  const target = isEdge ? node(chosen.target) : null;
  const title = isEdge ? `${source.title} → ${target.title}` : chosen.title;
  const isClient = !isEdge && chosen.kind === "client";
  const { bounds, counts } = binned(chosen.histogram ?? []);
  const conditions = [ticked.length ? (ticked.length > 1 ? `(${ticked.join(" OR ")})` : ticked[0]) : "", range ? within(...range) : ""];
  const expression = both(question.filter, inside(chosen.filter, conditions));
  const tick = (status, on) => setTicked(on ? [...ticked, status] : ticked.filter((each) => each !== status));
  return html`
    <aside class="pane" aria-label=${title}>
      <header>
        <div class="pane-title"><h2>${title}</h2><p class="dim small">${isEdge ? (chosen.link ? "Received from the queue" : "Call, as the caller saw it") : [chosen.type, KINDS[chosen.kind]].filter(Boolean).join(" · ")}</p></div>
        <button type="button" class="icon-button" aria-label="Close" title="Close ( Esc )" onClick=${() => onSelect(null)}><${Icon} name="close" /></button>
      </header>
      <div class="pane-body">
        ${isClient ? html`<p class="dim">Whoever calls ${chosen.name} and sends no trace.</p>` : html`
          <div class="figures">
            <${Figure} value=${duration(chosen.average)} name=${chosen.link ? "average age" : "average"} />
            <${Figure} value=${rate(chosen.per_minute)} name="requests" />
            <${Figure} value=${duration(chosen.p50)} name="median" />
            <${Figure} value=${duration(chosen.p95)} name="p95" />
            <${Figure} value=${duration(chosen.p99)} name="p99" />
          </div>
          <fieldset class="status-ticks">
            <legend>How they ended</legend>
            ${STATUSES.map((status) => html`
              <label class="check"><input type="checkbox" checked=${ticked.includes(status)} disabled=${!chosen[status]} onChange=${(event) => tick(status, event.target.checked)} />
                <span class="status status-${status}"><${Shape} status=${status} />${SHORT_WORDS[status]}</span>
                <span class="number">${count(chosen[status])}</span><span class="number dim">${percent(chosen.requests ? chosen[status] / chosen.requests : 0)}</span></label>
            `)}
          </fieldset>
          ${bounds.length ? html`
            <div class="pane-chart">
              <h3>${chosen.link ? "Age when received" : "Response time"}${range ? html`<button type="button" class="button quiet small" onClick=${() => setRange(null)}>${duration(range[0])} – ${duration(range[1])} <${Icon} name="close" small /></button>` : null}</h3>
              <${Histogram} bounds=${bounds} counts=${counts} height=${110} selected=${range} label="Requests by response time" onSelect=${chosen.link ? null : (from, to) => setRange([from, to])} />
            </div>
          ` : null}
          <${Series} question=${question} chosen=${chosen} isEdge=${isEdge} source=${source} target=${target} />
        `}
        <div class="row wrap">
          <a class="button primary" href=${href("/traces", { filter: expression })}>View traces</a>
          ${!isEdge && chosen.fault > 0 ? html`<a class="button" href=${href("/traces", { filter: both(question.filter, inside(chosen.filter, ["fault"])) })}>With faults</a>` : null}
        </div>
        <p class="small"><code class="dim expression">${expression}</code></p>
        ${isEdge ? html`<p class="row wrap"><button type="button" class="link-button" onClick=${() => onSelect(source.key)}>${source.title}</button><span class="dim">calls</span><button type="button" class="link-button" onClick=${() => onSelect(target.key)}>${target.title}</button></p>`
          : html`
            <${Calls} title="Called by" edges=${graph.edges.filter((edge) => edge.target === chosen.key)} name=${(edge) => node(edge.source)?.title} onSelect=${onSelect} />
            <${Calls} title="Calls" edges=${graph.edges.filter((edge) => edge.source === chosen.key)} name=${(edge) => node(edge.target)?.title} onSelect=${onSelect} />
            <div class="row wrap"><span class="dim small">Show on the map</span>
              <${Segmented} label="What the map shows" value=${focus === chosen.key ? hops ?? "1" : "all"} choices=${[["1", "Neighbours"], ["2", "2 hops"], ["far", "All joined"], ["all", "Everything"]]}
                choose=${(value) => change({ focus: value === "all" ? null : chosen.key, hops: value === "all" ? null : value })} /></div>
          `}
      </div>
    </aside>
  `;
}

const KINDS = { service: "service", remote: "remote service", aws: "AWS", database: "database", client: "clients" };

const Figure = ({ value, name }) => html`<div class="figure-box"><b>${value}</b><span>${name}</span></div>`;

function Calls({ title, edges, name, onSelect }) {
  if (!edges.length) return null;
  return html`
    <section>
      <h3>${title}</h3>
      <ul class="calls">${edges.map((edge) => html`
        <li><button type="button" class="link-button" onClick=${() => onSelect(edge.key)}>${name(edge) ?? "?"}</button>
          <span class="number dim">${duration(edge.average)}</span><span class="number dim">${rate(edge.per_minute)}</span>
          ${edge.fault ? html`<span class="number text-fault">${percent(edge.fault / edge.requests)} faults</span>` : null}</li>`)}</ul>
    </section>
  `;
}

function Series({ question, chosen, isEdge, source, target }) {
  const { data } = useLoad(
    (signal) => get("map/series", {
      ...question, ...(isEdge ? { source: source.name, target: target.name } : { node: chosen.name, type: chosen.type }), period: 60,
    }, signal),
    [chosen.key, question.filter, question.range, question.group, question.run],
  );
  if (!data || data.rows.length < 2) return null;
  const column = numbered(data.columns);
  const from = data.rows[0][column.start];
  const bins = Math.min(200, Math.round((data.rows.at(-1)[column.start] - from) / data.period) + 1);
  const counts = Array.from({ length: bins }, () => [0, 0, 0, 0]);
  for (const row of data.rows) {
    const bin = Math.round((row[column.start] - from) / data.period);
    if (bin < bins) counts[bin] = STATUSES.map((status) => row[column[status]]);
  }
  return html`
    <div class="pane-chart"><h3>Per minute</h3>
      <${TimeBars} starts=${counts.map((_, bin) => from + bin * data.period)} step=${data.period} counts=${counts} height=${72} label="${plural(data.rows.length, "minute")} of requests" />
    </div>
  `;
}
