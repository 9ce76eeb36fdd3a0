// The map of one trace, and the names of its services in their colours.

import { html, useLoad, useMemo, useState } from "../core/view.js";
import { get, part } from "../core/api.js";
import { count } from "../core/format.js";
import { Failure } from "../ui/empty.js";
import { graphOf } from "./graph.js";
import { Pane } from "./pane.js";
import { MapView } from "./view.js";

export function TraceMap({ id, revision }) {
  const { data, error } = useLoad((signal) => get(`traces/${part(id)}/map`, {}, signal), [id, revision]);
  const graph = useMemo(() => (data ? graphOf(data) : null), [data]);
  const [selected, setSelected] = useState(null);
  if (error) return html`<${Failure} error=${error} />`;
  if (!graph) return html`<div class="loading"><span class="spinner" /></div>`;
  const chosen = graph.nodes.find(({ key }) => key === selected) ?? graph.edges.find(({ key }) => key === selected);
  return html`
    <div class="map-screen">
      <${MapView} graph=${graph} selected=${chosen ? selected : null} onSelect=${setSelected} />
      ${chosen ? html`<${Pane} graph=${graph} chosen=${chosen} isEdge=${"source" in chosen} question=${{ filter: "", range: "all", group: "", run: "" }} onSelect=${setSelected} />` : null}
    </div>
  `;
}

const SHOWN = 6;

/** @param {{services: {name: string}[], colours: number[]}} props */
export function Chips({ services, colours }) {
  const named = [...new Map(services.map(({ name }, index) => [name, colours[index]]))];
  return html`
    <span class="chips" aria-hidden="true">
      ${named.slice(0, SHOWN).map(([name, colour]) => html`<span class="chip"><i class="swatch fill-${colour}" />${name}</span>`)}
      ${named.length > SHOWN ? html`<span class="dim small">+${count(named.length - SHOWN)}</span>` : null}
    </span>
  `;
}
