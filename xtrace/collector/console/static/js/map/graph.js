// The map's data: what the API says, merged where two nodes are one to a reader, and cut to a neighbourhood.

/**
 * @typedef {{id: number, key: string, name: string, type: string | null, kind: string, title: string, requests: number,
 *   ok: number, error: number, throttle: number, fault: number, per_minute: number, average: number | null,
 *   histogram: [number, number][], filter: string, root: boolean, received: boolean, alarm: string | null}} MapNode
 * @typedef {{key: string, source: string, target: string, link: boolean, requests: number, ok: number, error: number,
 *   throttle: number, fault: number, per_minute: number, average: number | null, histogram: [number, number][], filter: string}} MapEdge
 */

export const keyOf = ({ name, type }) => (type ? `${name}|${type}` : name);

/**
 * Nodes and edges by key. A service that didn't answer is a node "remote" of its own to the API; here its calls
 * lead to the node that the service has otherwise.
 */
export function graphOf({ nodes, edges }) {
  const own = new Map();
  for (const node of nodes) if (node.received) own.set(node.name, keyOf(node));
  const keys = new Map();
  const kept = new Map();
  for (const node of nodes) {
    const merged = node.kind === "remote" && !node.received && own.has(node.name);
    const key = merged ? own.get(node.name) : keyOf(node);
    keys.set(node.id, key);
    if (!merged) kept.set(key, { ...node, key, title: node.kind === "client" ? "Clients" : node.title });
  }
  const found = new Map();
  for (const edge of edges) {
    const source = keys.get(edge.source);
    const target = keys.get(edge.target);
    if (source === undefined || target === undefined) continue;
    const key = `${source}→${target}${edge.link ? "~" : ""}`;
    const before = found.get(key);
    found.set(key, before ? sum(before, edge) : { ...edge, key, source, target });
  }
  const byName = (a, b) => (a.key < b.key ? -1 : 1);
  return { nodes: [...kept.values()].sort(byName), edges: [...found.values()].sort(byName) };
}

function sum(a, b) {
  const made = { ...a };
  for (const name of ["requests", "ok", "error", "throttle", "fault", "per_minute", "open"]) made[name] = (a[name] ?? 0) + (b[name] ?? 0);
  made.average = a.requests + b.requests ? ((a.average ?? 0) * a.requests + (b.average ?? 0) * b.requests) / (a.requests + b.requests) : null;
  const counts = new Map();
  for (const [value, many] of [...a.histogram, ...b.histogram]) counts.set(value, (counts.get(value) ?? 0) + many);
  made.histogram = [...counts].sort((x, y) => x[0] - y[0]);
  for (const [name, share] of [["p50", 0.5], ["p90", 0.9], ["p95", 0.95], ["p99", 0.99]]) made[name] = quantile(made.histogram, share);
  made.max = Math.max(a.max ?? 0, b.max ?? 0);
  return made;
}

function quantile(histogram, share) {
  const total = histogram.reduce((all, [, many]) => all + many, 0);
  let seen = 0;
  for (const [value, many] of histogram) {
    seen += many;
    if (seen >= share * total) return value;
  }
  return null;
}

/** What is at most so many calls away from a node, in either direction. @param {number} hops Infinity: all that is joined to it */
export function around({ nodes, edges }, key, hops) {
  if (!nodes.some((node) => node.key === key)) return { nodes, edges };
  const near = new Set([key]);
  let edge = new Set([key]);
  for (let hop = 0; hop < hops && edge.size; hop += 1) {
    const next = new Set();
    for (const { source, target } of edges) {
      if (edge.has(source) && !near.has(target)) next.add(target);
      if (edge.has(target) && !near.has(source)) next.add(source);
    }
    for (const each of next) near.add(each);
    edge = next;
  }
  return { nodes: nodes.filter((node) => near.has(node.key)), edges: edges.filter(({ source, target }) => near.has(source) && near.has(target)) };
}

const MARKED = 0.05;

/** The gravest of what went wrong in at least one of twenty, else "ok". */
export function condition({ requests, error, throttle, fault }) {
  if (!requests) return "ok";
  if (fault / requests >= MARKED) return "fault";
  if (throttle / requests >= MARKED) return "throttle";
  return error / requests >= MARKED ? "error" : "ok";
}
