// A map as a picture: rings with numbers, arrows between them; to be moved, zoomed, and walked with the keys.

import { classes, html, useEffect, useLayoutEffect, useMemo, useRef, useSize, useState } from "../core/view.js";
import { count, cut, duration, percent, rate } from "../core/format.js";
import { Glyph, Icon } from "../ui/icons.js";
import { STATUSES } from "../ui/status.js";
import { condition } from "./graph.js";
import { arrange, pathOf, WIDTH } from "./layout.js";

const RADIUS = 36;
const LARGEST = 1.3;
/** Width of a pane, and how near a chosen node may come to it in pixels. */
const PANE_REM = 23;
const EDGE = 70;
const SMALLEST = 0.12;
const FEW_EDGES = 60;
const ICONS = { client: "person", database: "database", remote: "globe", aws: "cloud" };

const iconOf = ({ kind, type }) => (type?.includes("SQS") ? "queue" : type?.includes("DynamoDB") ? "database" : ICONS[kind]);

/** How a node or call is read out. */
export function spoken({ title, name, average, per_minute: perMinute, requests, fault, error, throttle, kind }) {
  const named = title ?? name;
  if (kind === "client") return `clients of ${name}`;
  const parts = [named, `${duration(average)} average`, rate(perMinute).replace("/min", " per minute")];
  for (const [many, word] of [[fault, "faults"], [throttle, "throttled"], [error, "errors"]]) if (many) parts.push(`${percent(many / requests)} ${word}`);
  return parts.join(", ");
}

/**
 * @param {{graph: {nodes: import("./graph.js").MapNode[], edges: import("./graph.js").MapEdge[]}, selected: string | null, onSelect: (key: string | null) => void, sizes?: "same" | "traffic" | "trouble"}} props
 */
export function MapView({ graph, selected, onSelect, sizes = "same" }) {
  const [ref, size] = useSize();
  const { nodes, edges } = graph;
  const down = size.width > 0 && size.width < size.height * 0.95 && size.width < 720;
  const shape = `${down}\n${nodes.map(({ key }) => key).join("\n")}\n\n${edges.map(({ key }) => key).join("\n")}`;
  const picture = useMemo(() => (size.width ? arrange(nodes, edges, down) : null), [shape, size.width > 0]);
  const [move, setMove] = useState(null);
  const [hovered, setHovered] = useState(null);
  const dragged = useRef(null);
  const covered = selected ? coverOf(ref.current) : { right: 0, bottom: 0 };
  // What a pane covers counts only when the map is fitted anew; it doesn't move under the pointer.
  const free = useRef(null);
  const fit = useMemo(() => {
    free.current = { width: size.width - covered.right, height: size.height - covered.bottom };
    return picture ? fitted(picture, free.current) : { x: 0, y: 0, k: 1 };
  }, [picture, size.width, size.height]);
  useEffect(() => setMove(null), [shape]);
  const { x, y, k } = move ?? fit;
  const most = Math.max(1, ...nodes.map(({ requests }) => requests || 0));
  const radius = (node) => {
    if (sizes === "traffic" && node.requests) return 24 + 20 * Math.sqrt(node.requests / most);
    if (sizes === "trouble" && node.requests) return 26 + 20 * Math.min(1, ((node.fault + node.error + node.throttle) / node.requests) * 2);
    return node.kind === "client" ? 24 : RADIUS;
  };
  const byKey = new Map(nodes.map((node) => [node.key, node]));
  const lit = hovered ?? selected;
  const touches = (edge) => lit !== null && (edge.key === lit || edge.source === lit || edge.target === lit);
  const busiest = Math.max(1, ...edges.map(({ requests }) => requests || 0));

  const zoom = (factor, cx = size.width / 2, cy = size.height / 2) => {
    const next = Math.max(SMALLEST, Math.min(3, k * factor));
    setMove({ k: next, x: cx - ((cx - x) * next) / k, y: cy - ((cy - y) * next) / k });
  };
  useLayoutEffect(() => {
    const element = ref.current;
    const wheel = (event) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 500), event.clientX - box.left, event.clientY - box.top);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  });
  const down_ = (event) => {
    if (event.button === 0) dragged.current = { x: event.clientX, y: event.clientY, from: { x, y, k }, far: false };
  };
  const moving = (event) => {
    const from = dragged.current;
    if (!from) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (!from.far && Math.hypot(dx, dy) < 4) return;
    if (!from.far) event.currentTarget.setPointerCapture(event.pointerId);
    from.far = true;
    setMove({ k: from.from.k, x: from.from.x + dx, y: from.from.y + dy });
  };
  const up = (event) => {
    const from = dragged.current;
    dragged.current = null;
    if (from && !from.far && event.target instanceof Element && !event.target.closest("[data-key]")) onSelect(null);
  };
  const click = (key) => (event) => {
    event.stopPropagation();
    onSelect(key);
  };
  const keys = (node) => (event) => {
    if (event.key === "Enter" || event.key === " ") onSelect(node.key);
    else {
      const to = neighbour(picture.places, node.key, event.key);
      if (to === undefined) return;
      if (to) ref.current.querySelector(`[data-key="${CSS.escape(to)}"]`)?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  };
  // But what was chosen comes out from under it.
  useEffect(() => {
    const place = selected && picture?.places.get(selected);
    if (!place) return;
    const [right, bottom] = [x + place.x * k + EDGE - (size.width - covered.right), y + place.y * k + EDGE - (size.height - covered.bottom)];
    if ((covered.right && right > 0) || (covered.bottom && bottom > 0)) {
      setMove({ k, x: covered.right ? x - Math.max(0, right) : x, y: covered.bottom ? y - Math.max(0, bottom) : y });
    }
  }, [selected]);
  const stop = selected && byKey.has(selected) ? selected : nodes[0]?.key;
  return html`
    <div class="map-view" ref=${ref}>
      ${picture ? html`
        <svg class="map" width=${size.width} height=${size.height} role="group" aria-label="Service map: arrow keys go from node to node, Enter opens one"
          onPointerDown=${down_} onPointerMove=${moving} onPointerUp=${up}>
          <defs>
            ${["ok", "error", "throttle", "fault", "lit"].map((kind) => html`<marker id="arrow-${kind}" class="arrow arrow-${kind}" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 0.5 8 4 0 7.5Z" /></marker>`)}
          </defs>
          <g transform="translate(${x} ${y}) scale(${k})">
            ${edges.map((edge) => {
              const source = byKey.get(edge.source);
              const target = byKey.get(edge.target);
              if (!source || !target) return null;
              const path = pathOf(picture.places.get(edge.source), picture.places.get(edge.target), radius(source), radius(target), picture.paths.get(edge.key) ?? [], down);
              const isLit = touches(edge);
              const kind = condition(edge);
              return html`
                <g class=${classes("edge", `edge-${kind}`, edge.link && "link", isLit && "lit", edge.key === selected && "selected", lit !== null && !isLit && "faded")} data-key=${edge.key} key=${edge.key}
                  role="button" tabindex=${edges.length <= FEW_EDGES ? 0 : -1} aria-label=${`${source.title} to ${target.title}: ${spoken({ ...edge, title: edge.link ? "from the queue" : "calls" })}`} aria-pressed=${String(edge.key === selected)}
                  onClick=${click(edge.key)} onPointerEnter=${() => setHovered(edge.key)} onPointerLeave=${() => setHovered(null)}
                  onKeyDown=${(event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); onSelect(edge.key); } }}>
                  <path class="edge-hit" d=${path} />
                  <path class="edge-line" d=${path} marker-end="url(#arrow-${isLit ? "lit" : kind})" style=${{ strokeWidth: `${1 + 2 * Math.sqrt((edge.requests || 0) / busiest)}px` }} />
                  ${isLit && edge.average !== null && edge.average !== undefined ? html`<${EdgeLabel} edge=${edge} from=${picture.places.get(edge.source)} to=${picture.places.get(edge.target)} bends=${picture.paths.get(edge.key) ?? []} />` : null}
                </g>
              `;
            })}
            ${nodes.map((node) => {
              const place = picture.places.get(node.key);
              return html`
                <g class=${classes("node", `node-${node.kind}`, node.key === selected && "selected", lit !== null && lit !== node.key && !edges.some((edge) => touches(edge) && (edge.source === node.key || edge.target === node.key)) && "faded")}
                  data-key=${node.key} key=${node.key} transform="translate(${place.x} ${place.y})" role="button" tabindex=${node.key === stop ? 0 : -1}
                  aria-label=${spoken(node)} aria-pressed=${String(node.key === selected)} onClick=${click(node.key)} onKeyDown=${keys(node)}
                  onPointerEnter=${() => setHovered(node.key)} onPointerLeave=${() => setHovered(null)}>
                  <${Node} node=${node} radius=${radius(node)} />
                </g>
              `;
            })}
          </g>
        </svg>
        <div class="map-tools">
          <button type="button" class="icon-button" aria-label="Zoom in" onClick=${() => zoom(1.3)}><${Icon} name="plus" /></button>
          <button type="button" class="icon-button" aria-label="Zoom out" onClick=${() => zoom(1 / 1.3)}><${Icon} name="minus" /></button>
          <button type="button" class="icon-button" aria-label="Show all of it" onClick=${() => setMove(fitted(picture, { width: size.width - covered.right, height: size.height - covered.bottom }))}><${Icon} name="fit" /></button>
        </div>
      ` : null}
    </div>
  `;
}

/** What a pane takes of the map, in pixels, at the right or at the bottom. */
function coverOf(element) {
  const pane = element?.parentElement?.querySelector(".pane");
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const isNarrow = matchMedia("(max-width: 60rem)").matches;
  if (isNarrow) return { right: 0, bottom: (element?.clientHeight ?? 0) * 0.58 };
  return { right: pane?.offsetWidth || PANE_REM * rem, bottom: 0 };
}

function fitted({ width, height }, size) {
  const margin = 20;
  const k = Math.max(SMALLEST, Math.min(LARGEST, (size.width - 2 * margin) / width, (size.height - 2 * margin) / height));
  return { k, x: (size.width - width * k) / 2, y: (size.height - height * k) / 2 };
}

/** The node next to another one in a direction; null if there is none, undefined for another key. */
function neighbour(places, key, pressed) {
  const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[pressed];
  if (!way) return undefined;
  const here = places.get(key);
  let best = null;
  let least = Infinity;
  for (const [other, place] of places) {
    const along = (place.x - here.x) * way[0] + (place.y - here.y) * way[1];
    const across = Math.abs((place.x - here.x) * way[1] + (place.y - here.y) * way[0]);
    if (along > 8 && along + 2 * across < least) {
      least = along + 2 * across;
      best = other;
    }
  }
  return best;
}

function Node({ node, radius }) {
  const icon = iconOf(node);
  const name = cut(node.title ?? node.name, Math.floor(WIDTH / 6.2));
  const hasNumbers = node.kind !== "client" && node.requests > 0;
  return html`
    <title>${node.name}${node.type ? ` (${node.type})` : ""}</title>
    <circle class="node-focus" r=${radius + 6} />
    <circle class="node-face" r=${radius} />
    ${hasNumbers ? html`<${Ring} node=${node} radius=${radius - 2.5} />` : html`<circle class="node-rim" r=${radius - 1} />`}
    ${node.alarm === "ALARM" ? html`<circle class="node-alarm" r="5" cx=${radius * 0.75} cy=${-radius * 0.75} />` : null}
    ${icon ? html`<g class="node-icon" transform=${hasNumbers ? "translate(-6 -27) scale(0.75)" : "translate(-10 -10) scale(1.25)"}><${Glyph} name=${icon} /></g>` : null}
    ${hasNumbers ? html`
      <text class="node-average" y=${icon ? 4 : 0}>${duration(node.average)}</text>
      <text class="node-rate" y=${icon ? 18 : 15}>${node.per_minute ? rate(node.per_minute) : `${count(node.requests)} ×`}</text>
    ` : null}
    <text class="node-name" y=${radius + 17}>${name}</text>
    <text class="node-type" y=${radius + 31}>${node.kind === "client" ? "" : cut(node.type ?? "", 24)}</text>
  `;
}

/** Shares of how requests ended, around a node; the gravest begin at the top. */
function Ring({ node, radius }) {
  const length = 2 * Math.PI * radius;
  let at = 0;
  const shares = STATUSES.map((status) => [status, (node[status] ?? 0) / node.requests]).filter(([, share]) => share > 0);
  return html`
    <g class="ring" transform="rotate(-90)">
      ${[...shares].reverse().map(([status, share]) => {
        const long = Math.max(share * length, 3);
        const offset = at;
        at += share * length;
        return html`<circle class="ring-${status}" r=${radius} stroke-dasharray="${long} ${length - long}" stroke-dashoffset=${-offset} />`;
      })}
    </g>
  `;
}

function EdgeLabel({ edge, from, to, bends }) {
  const middle = bends.length ? bends[Math.floor(bends.length / 2)] : { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  return html`<text class="edge-label" x=${middle.x} y=${middle.y - 4}>${duration(edge.average)}${edge.link ? " old" : ""}</text>`;
}
