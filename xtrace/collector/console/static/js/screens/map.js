// The service map: who calls whom, how often, how fast, how well.

import { html, useEffect, useLoad, useMemo, useState } from "../core/view.js";
import { get } from "../core/api.js";
import { clock, plural } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import * as ranges from "../core/range.js";
import { useRefresh } from "../core/refresh.js";
import { setting } from "../core/settings.js";
import { change, usePlace } from "../core/url.js";
import { around, graphOf } from "../map/graph.js";
import { Pane } from "../map/pane.js";
import { MapTables } from "../map/table.js";
import { MapView } from "../map/view.js";
import { Empty, Failure } from "../ui/empty.js";
import { Icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { useQuestion } from "../ui/querybar.js";
import { Shape, SHORT_WORDS, STATUSES } from "../ui/status.js";

const SECONDS = 3;
const SIZES = [["same", "All alike"], ["traffic", "By traffic"], ["trouble", "By trouble"]];

export function MapScreen() {
  const question = useQuestion();
  const { params } = usePlace();
  const { data, error, loading, reload } = useLoad((signal) => get("map", question, signal), [question.filter, question.range, question.group, question.run]);
  useRefresh(reload, SECONDS, ranges.isLive(question.range));
  const asTable = setting("map", "picture");
  const sizes = setting("map-sizes", "same");
  const isTable = asTable.use() === "table";
  const size = sizes.use();
  const whole = useMemo(() => (data ? graphOf(data) : null), [data]);
  const focus = params.get("focus");
  const hops = params.get("hops");
  const graph = useMemo(() => (whole && focus ? around(whole, focus, hops === "far" ? Infinity : Number(hops ?? 1) || 1) : whole), [whole, focus, hops]);
  const selected = params.get("select");
  const select = (key) => change({ select: key }, { replace: selected !== null && key !== null });
  useKeys([
    { keys: "v", label: "As a table", group: "Map", run: () => asTable.set(isTable ? "picture" : "table") },
    { keys: "Escape", label: "Close, show everything", group: "Map", run: () => (selected ? select(null) : focus && change({ focus: null, hops: null })) },
    { keys: "Enter", label: "Open the node that has the focus", group: "Map", run: () => {} },
  ]);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!whole) return html`<div class="loading"><span class="spinner" />Drawing …</div>`;
  if (!whole.nodes.length && !loading) return html`<${Empty} what="services" />`;
  const chosen = graph.nodes.find(({ key }) => key === selected) ?? graph.edges.find(({ key }) => key === selected);
  return html`
    <div class="map-screen">
      <h1 class="visually-hidden">Service map</h1>
      ${isTable ? html`<div class="map-tables"><${MapTables} graph=${graph} selected=${selected} onSelect=${select} /></div>`
        : html`<${MapView} graph=${graph} selected=${chosen ? selected : null} onSelect=${select} sizes=${size} />`}
      <div class="map-notes">
        <${Updated} data=${data} />
        <span class="dim small">${plural(graph.nodes.length, "node")}, ${plural(graph.edges.length, "call")}${graph.nodes.length < whole.nodes.length ? ` of ${whole.nodes.length} and ${whole.edges.length}` : ""}</span>
        ${focus ? html`<button type="button" class="button small" onClick=${() => change({ focus: null, hops: null })}>Show everything</button>` : null}
      </div>
      <div class="map-options">
        ${isTable ? null : html`<${Menu} label="Size" name="Size of the nodes" kind="button small" side="right" items=${SIZES.map(([value, label]) => ({ label, checked: value === size, run: () => sizes.set(value) }))} />`}
        <button type="button" class="button small" aria-pressed=${String(isTable)} title="( v )" onClick=${() => asTable.set(isTable ? "picture" : "table")}><${Icon} name="table" small />Table</button>
      </div>
      ${isTable ? null : html`<${Legend} />`}
      ${chosen ? html`<${Pane} key=${selected} graph=${graph} chosen=${chosen} isEdge=${"source" in chosen} question=${question} onSelect=${select} hops=${hops} focus=${focus} />` : null}
    </div>
  `;
}

/** When the numbers are from. */
function Updated({ data }) {
  const [time, setTime] = useState("");
  useEffect(() => setTime(clock(Date.now() / 1000)), [data]);
  return html`<span class="dim small nowrap">Updated ${time}</span>`;
}

const Legend = () => html`
  <ul class="legend" aria-label="Legend">
    ${STATUSES.map((status) => html`<li class="status status-${status}"><${Shape} status=${status} /><span>${SHORT_WORDS[status]}</span></li>`)}
    <li class="dimmer legend-note">in the ring: average, requests per minute</li>
  </ul>
`;

