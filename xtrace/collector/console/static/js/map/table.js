// The map as tables: the same nodes and calls, for those who read rather than look.

import { html } from "../core/view.js";
import { count, duration, percent, rate } from "../core/format.js";

const HEADS = [["requests", "Requests"], ["per_minute", "Rate"], ["average", "Average"], ["p95", "p95"], ["error", "Errors"], ["throttle", "Throttled"], ["fault", "Faults"]];

const cells = (each) => html`
  <td class="number">${count(each.requests)}</td><td class="number">${rate(each.per_minute)}</td>
  <td class="number">${duration(each.average)}</td><td class="number">${duration(each.p95)}</td>
  ${["error", "throttle", "fault"].map((status) => html`<td class="number ${each[status] ? `text-${status}` : ""}">${each.requests ? percent(each[status] / each.requests) : ""}</td>`)}
`;
const head = html`${HEADS.map(([, title]) => html`<th scope="col" class="number">${title}</th>`)}`;

/** @param {{graph: any, selected: string | null, onSelect: (key: string) => void}} props */
export function MapTables({ graph, selected, onSelect }) {
  const title = (key) => graph.nodes.find((node) => node.key === key)?.title ?? key;
  const row = (each, name) => html`
    <tr key=${each.key} class=${each.key === selected ? "current" : ""}>
      <th scope="row"><button type="button" class="link-button" onClick=${() => onSelect(each.key)}>${name}</button></th>
      ${each.type !== undefined ? html`<td class="dim">${each.type ?? ""}</td>` : null}${cells(each)}
    </tr>
  `;
  return html`
    <div class="page">
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Nodes">
        <table><caption class="visually-hidden">Nodes</caption><thead><tr><th scope="col">Node</th><th scope="col">Type</th>${head}</tr></thead>
          <tbody>${graph.nodes.map((node) => row({ ...node, type: node.type ?? null }, node.title))}</tbody></table>
      </section>
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Calls">
        <table><caption class="visually-hidden">Calls</caption><thead><tr><th scope="col">Call</th>${head}</tr></thead>
          <tbody>${graph.edges.map((edge) => row(edge, `${title(edge.source)} → ${title(edge.target)}${edge.link ? " (from the queue)" : ""}`))}</tbody></table>
      </section>
    </div>
  `;
}
