// Where the nodes of a map stand: in layers, callers before what they call.

import { Graph, layout } from "../../vendor/dagre.js";

export const WIDTH = 132;
export const HEIGHT = 116;
/** The centre of a node's ring, from the top of its box. */
export const RING_Y = 42;

/**
 * Positions by key, and paths of edges. The same nodes and edges give the same picture, whatever their numbers.
 * @param {{key: string}[]} nodes @param {{key: string, source: string, target: string}[]} edges @param {boolean} down top to bottom
 */
export function arrange(nodes, edges, down) {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: down ? "TB" : "LR", nodesep: down ? 34 : 12, ranksep: down ? 44 : 64, edgesep: 10, marginx: 8, marginy: 8,
    // As good as "network-simplex" where it was compared, and three times as fast on a tangled map of 60.
    ranker: "tight-tree",
  });
  for (const { key } of nodes) graph.setNode(key, { width: WIDTH, height: HEIGHT });
  for (const { key, source, target } of edges) graph.setEdge(source, target, { weight: 1 }, key);
  layout(graph);
  const places = new Map(nodes.map(({ key }) => {
    const { x, y } = graph.node(key);
    return [key, { x, y: y - HEIGHT / 2 + RING_Y }];
  }));
  const paths = new Map(edges.map((edge) => [edge.key, inner(graph, edge, down)]));
  const { width, height } = graph.graph();
  return { places, paths, width: Math.max(width || 0, WIDTH), height: Math.max(height || 0, HEIGHT) };
}

/** The bends of an edge that leads past other layers. */
function inner(graph, { key, source, target }, down) {
  const points = graph.edge(source, target, key)?.points ?? [];
  const along = down ? "y" : "x";
  const far = Math.abs(graph.node(source)[along] - graph.node(target)[along]);
  const one = (down ? HEIGHT + 44 : WIDTH + 64) * 1.3;
  if (far < one) return [];
  return points.slice(1, -1).map(({ x, y }) => ({ x, y: down ? y : y - HEIGHT / 2 + RING_Y }));
}

/** The path of an edge between rings: leaves and arrives along the direction of the layers. */
export function pathOf(from, to, radiusFrom, radiusTo, bends, down) {
  if (from === to) {
    const { x, y } = from;
    const r = radiusFrom;
    return `M${x - r * 0.5} ${y - r * 0.86}C${x - r} ${y - r * 2.1} ${x + r} ${y - r * 2.1} ${x + r * 0.5} ${y - r * 0.86 - 4}`;
  }
  const gap = 5;
  const points = [from, ...bends, to];
  const start = leave(from, points[1], radiusFrom, 0, down);
  const end = leave(to, points.at(-2), radiusTo, gap, down);
  const stops = [start, ...bends, end];
  let path = `M${start.x.toFixed(1)} ${start.y.toFixed(1)}`;
  for (let index = 1; index < stops.length; index += 1) {
    const a = stops[index - 1];
    const b = stops[index];
    const half = down ? (b.y - a.y) / 2 : (b.x - a.x) / 2;
    const [c1, c2] = down ? [{ x: a.x, y: a.y + half }, { x: b.x, y: b.y - half }] : [{ x: a.x + half, y: a.y }, { x: b.x - half, y: b.y }];
    path += `C${c1.x.toFixed(1)} ${c1.y.toFixed(1)} ${c2.x.toFixed(1)} ${c2.y.toFixed(1)} ${b.x.toFixed(1)} ${b.y.toFixed(1)}`;
  }
  return path;
}

/** Where the ring around a place is left towards another one: on the side that faces it. */
function leave(place, towards, radius, gap, down) {
  const reach = radius + gap;
  const forward = down ? towards.y - place.y : towards.x - place.x;
  const across = down ? towards.x - place.x : towards.y - place.y;
  if (Math.abs(forward) < radius) {
    const side = Math.sign(across) || 1;
    return down ? { x: place.x + side * reach, y: place.y } : { x: place.x, y: place.y + side * reach };
  }
  // A little towards the other end, so that edges that arrive at one node don't all end in one point.
  const tilt = Math.max(-0.5, Math.min(0.5, across / 400));
  const sign = Math.sign(forward);
  return down
    ? { x: place.x + Math.sin(tilt) * reach, y: place.y + sign * Math.cos(tilt) * reach }
    : { x: place.x + sign * Math.cos(tilt) * reach, y: place.y + Math.sin(tilt) * reach };
}
