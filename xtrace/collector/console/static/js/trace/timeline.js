// The waterfall: only the rows that are in sight are in the document.

import { classes, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../core/view.js";
import { duration, plural } from "../core/format.js";
import { setting } from "../core/settings.js";
import { Icon } from "../ui/icons.js";
import { Shape } from "../ui/status.js";
import { FLAG, ticks } from "./model.js";

const OVERSCAN = 6;
const NARROW = 640;
/** What is kept free on the right, for the durations, in pixels. */
const TOOK = 72;

/** What a row does, for those who can't see the bar. */
function described(model, row) {
  const status = model.status(row);
  return `${model.serviceName(row)}, ${model.title(row)}, ${duration(model.duration[row])}${status === "ok" ? "" : `, ${status}`}${model.raised.has(row) ? `, ${model.raised.get(row)}` : ""}`;
}

/**
 * @param {{
 *   model: import("./model.js").TraceModel, lines: ReturnType<typeof import("./model.js").visible>,
 *   selected: string | null, onSelect: (key: string, open?: boolean) => void, onToggle: (line: number) => void,
 *   collapsed: Set<string>, unfolded: Set<string>, matches: Set<number>, critical: boolean, logs: Map<number, number[]>,
 *   view: [number, number], onZoom: (from: number, to: number) => void, grid: any, onKeys: (event: KeyboardEvent) => void,
 * }} props
 */
export function Timeline(props) {
  const { model, lines, selected, view, grid } = props;
  const scroller = grid;
  const [box, setBox] = useState({ top: 0, height: 600, width: 1000, row: 28 });
  const share = setting("names", "38");
  const nameShare = Number(share.use()) || 38;
  useLayoutEffect(() => {
    const element = scroller.current;
    const measure = () => {
      const row = parseFloat(getComputedStyle(element).getPropertyValue("--row-pixels")) || rowPixels();
      setBox((before) => {
        const next = { top: element.scrollTop, height: element.clientHeight, width: element.clientWidth, row };
        return Object.keys(next).every((name) => next[name] === before[name]) ? before : next;
      });
    };
    let frame = 0;
    const scrolled = () => {
      if (!frame) frame = requestAnimationFrame(() => { frame = 0; measure(); });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", scrolled);
      cancelAnimationFrame(frame);
    };
  }, []);

  const total = lines.rows.length;
  const first = Math.max(0, Math.floor(box.top / box.row) - OVERSCAN);
  const last = Math.min(total, Math.ceil((box.top + box.height) / box.row) + OVERSCAN);
  const at = useMemo(() => lineOf(lines, model, selected), [lines, model, selected]);
  const marks = ticks(view[0], view[1], Math.max(2, Math.floor((box.width * (1 - nameShare / 100)) / 90)));
  const place = (time) => ((time - view[0]) / (view[1] - view[0])) * 100;
  const shown = [];
  for (let line = first; line < last; line += 1) {
    shown.push(html`<${Line} key=${keyOf(lines, model, line)} ...${{ props, line, place, isSelected: line === at }} />`);
  }
  return html`
    <div class=${classes("timeline", box.width < NARROW && "narrow")} style=${{ "--names": `${nameShare}%`, "--took": `${TOOK}px` }}>
      <${Axis} marks=${marks} place=${place} view=${view} onZoom=${props.onZoom} share=${share} />
      <div class="timeline-rows" ref=${scroller} role="treegrid" aria-label="Timeline" aria-rowcount=${total} tabindex="0"
        aria-activedescendant=${at >= first && at < last ? `line-${at}` : null} onKeyDown=${props.onKeys} onWheel=${(event) => wheel(event, props, nameShare)}>
        <div class="timeline-all" role="presentation" style=${{ height: `${total * box.row}px` }}>
          <div class="timeline-seen" role="rowgroup" style=${{ transform: `translateY(${first * box.row}px)` }}>${shown}</div>
          ${marks.map((mark) => html`<i class="gridline" style=${{ left: `calc(var(--names) + (100% - var(--names) - var(--took)) * ${place(mark) / 100})` }} />`)}
        </div>
      </div>
    </div>
  `;
}

function rowPixels() {
  return 1.75 * parseFloat(getComputedStyle(document.documentElement).fontSize);
}

export const keyOf = (lines, model, line) => (lines.folds[line] ? lines.folds[line].key : model.ids[lines.rows[line]]);

/** The line at which something is, -1 if it isn't to be seen. */
export function lineOf(lines, model, key) {
  if (!key) return -1;
  const isFold = key.startsWith("fold:");
  const row = isFold ? -1 : model.byId.get(key);
  if (!isFold && row === undefined) return -1;
  for (let line = 0; line < lines.rows.length; line += 1) {
    const fold = lines.folds[line];
    if (isFold ? fold?.key === key : !fold && lines.rows[line] === row) return line;
  }
  return -1;
}

/** Bring a line into sight. */
export function reveal(element, line, centre = false) {
  if (!element || line < 0) return;
  const height = rowPixels();
  const top = line * height;
  if (centre || top < element.scrollTop - element.clientHeight || top > element.scrollTop + 2 * element.clientHeight) {
    if (top < element.scrollTop || top + height > element.scrollTop + element.clientHeight) element.scrollTop = top - element.clientHeight / 2;
  } else if (top < element.scrollTop) element.scrollTop = top;
  else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight;
}

/** Ctrl and the wheel zoom around the pointer, Shift and the wheel move. */
function wheel(event, { view, onZoom, model }, nameShare) {
  if (!event.ctrlKey && !event.shiftKey) return;
  event.preventDefault();
  const box = event.currentTarget.getBoundingClientRect();
  const left = (box.width * nameShare) / 100;
  const right = box.width - left - TOOK;
  const span = view[1] - view[0];
  if (event.shiftKey) {
    const by = (span * (event.deltaX || event.deltaY)) / 800;
    const move = Math.max(-view[0], Math.min(model.span - view[1], by));
    onZoom(view[0] + move, view[1] + move);
    return;
  }
  const at = view[0] + span * Math.max(0, Math.min(1, (event.clientX - box.left - left) / right));
  const factor = Math.exp(event.deltaY / 400);
  onZoom(Math.max(0, at - (at - view[0]) * factor), Math.min(model.span, at + (view[1] - at) * factor));
}

// -- the axis ---------------------------------------------------------------------------------------

function Axis({ marks, place, view, onZoom, share }) {
  const [drag, setDrag] = useState(null);
  const lane = useRef(null);
  const at = (event) => {
    const box = lane.current.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  const end = () => {
    if (drag && Math.abs(drag[1] - drag[0]) > 0.005) {
      const span = view[1] - view[0];
      onZoom(view[0] + span * Math.min(...drag), view[0] + span * Math.max(...drag));
    }
    setDrag(null);
  };
  return html`
    <div class="timeline-axis" aria-hidden="true">
      <div class="timeline-names">Segment<${Splitter} share=${share} /></div>
      <div class="timeline-lane" ref=${lane} title="Drag to zoom in"
        onPointerDown=${(event) => { event.currentTarget.setPointerCapture(event.pointerId); setDrag([at(event), at(event)]); }}
        onPointerMove=${(event) => drag && setDrag([drag[0], at(event)])} onPointerUp=${end} onDblClick=${() => onZoom(0, Infinity)}>
        ${marks.map((mark) => html`<span class=${place(mark) > 92 ? "late" : ""} style=${{ left: `${place(mark)}%` }}>${duration(mark)}</span>`)}
        ${drag ? html`<i class="brush-area" style=${{ left: `${Math.min(...drag) * 100}%`, width: `${Math.abs(drag[1] - drag[0]) * 100}%` }} />` : null}
      </div>
    </div>
  `;
}

/** Between names and bars. */
function Splitter({ share }) {
  const move = (event) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.closest(".timeline").getBoundingClientRect();
    share.set(String(Math.round(Math.max(12, Math.min(75, ((event.clientX - box.left) / box.width) * 100)))));
  };
  return html`<i class="splitter" onPointerDown=${(event) => event.currentTarget.setPointerCapture(event.pointerId)} onPointerMove=${move} />`;
}

// -- one line ---------------------------------------------------------------------------------------

function Line({ props, line, place, isSelected }) {
  const { model, lines, collapsed, unfolded, matches, onSelect, onToggle, critical, logs } = props;
  const row = lines.rows[line];
  const fold = lines.folds[line];
  const depth = model.depth[row] + lines.deeper[line];
  const inFold = fold ? whole(model, fold) : null;
  const status = fold ? inFold.status : model.status(row);
  const hasMore = fold ? true : model.hasChildren(row);
  const isOpen = fold ? unfolded.has(fold.key) : hasMore && !collapsed.has(model.ids[row]);
  const flags = model.flags[row];
  const isRemote = !fold && model.kind[row] === 1 && (flags & (FLAG.remote | FLAG.aws)) !== 0;
  const label = model.labels[row];
  const raised = fold ? undefined : model.raised.get(row);
  const select = () => onSelect(keyOf(lines, model, line), true);
  return html`
    <div class=${classes("line", isSelected && "selected", !fold && matches.has(row) && "match", model.kind[row] === 0 && !fold && "segment")}
      role="row" id="line-${line}" aria-level=${depth + 1} aria-rowindex=${line + 1} aria-expanded=${hasMore ? String(isOpen) : null}
      aria-selected=${String(isSelected)} aria-label=${fold ? `${model.names[row]}, ${plural(fold.rows.length, "time")}` : described(model, row)} onClick=${select}>
      <div class="timeline-names" role="gridcell" style=${{ paddingLeft: `${0.5 + Math.min(depth, 40) * 0.875}rem` }}>
        ${hasMore ? html`<span class=${classes("toggle", isOpen && "open")} onClick=${(event) => { event.stopPropagation(); onToggle(line); }} />` : null}
        <span class="line-text service-${model.colour(row)}">
          ${status !== "ok" ? html`<span class="status status-${status}"><${Shape} status=${status} /></span>` : null}
          <b>${model.names[row]}</b>${raised ? html` <span class="text-fault" title=${raised}>${raised}</span>` : null}${fold ? html` <span class="times">× ${fold.rows.length}</span>` : label && label !== model.names[row] ? html` <span class="dim">${label}</span>` : null}
          ${!fold && flags & FLAG.orphan ? html` <span class="tag error">parent not received</span>` : null}
        </span>
      </div>
      <div class="timeline-lane" role="gridcell">
        ${fold ? html`<${FoldBars} ...${{ model, fold, place, inFold }} />` : html`<${BarOf} ...${{ model, row, place, isRemote, critical }} logs=${logs.get(row)} />`}
      </div>
    </div>
  `;
}

/** Of log lines on a bar. */
const DOTS = 20;

const inside = (percent) => Math.max(-1, Math.min(101, percent));

function BarOf({ model, row, place, isRemote, critical, logs }) {
  const flags = model.flags[row];
  const start = model.start[row];
  const end = model.end(row);
  const left = inside(place(start));
  const right = inside(place(end));
  const colour = model.colour(row);
  const kind = model.kind[row] === 2 || flags & FLAG.inferred ? "inferred" : model.kind[row] === 0 ? "segment" : "part";
  const gap = isRemote ? model.gaps.get(row) : null;
  const path = critical ? model.critical.get(row) : null;
  const took = Number.isNaN(model.duration[row]) ? "running" : duration(model.duration[row]);
  return html`
    ${right >= 0 && left <= 100 ? html`
      <i class=${classes("bar", kind, `fill-${colour}`, flags & FLAG.open && "running")} style=${{ left: `${left}%`, width: `${Math.max(0, right - left)}%` }} />
      ${gap ? html`<${Callee} ...${{ model, gap, place }} start=${start} end=${end} />` : null}
      ${path?.map(([from, long]) => {
        const a = inside(place(from));
        return html`<i class="critical" style=${{ left: `${a}%`, width: `${Math.max(0, inside(place(from + long)) - a)}%` }} />`;
      })}
      ${logs?.slice(0, DOTS).map((time) => html`<i class="log-dot" style=${{ left: `${inside(place(time))}%` }} title="A log line, ${duration(time)} into the trace" />`)}
    ` : null}
    <span class="took" style=${{ left: `calc(${Math.max(0, Math.min(100, right))}% + 6px)` }}>${took}</span>
  `;
}

/** Inside a caller's bar, what the called service did of the time; what is left and right of it went by on the way. */
function Callee({ model, gap, place, start, end }) {
  const from = model.start[gap.callee];
  const to = model.end(gap.callee);
  const [a, b, c, d] = [start, Math.max(start, Math.min(from, end)), Math.min(end, Math.max(to, start)), end].map((time) => inside(place(time)));
  const name = model.serviceName(gap.callee);
  return html`
    ${b > a ? html`<i class="gap" style=${{ left: `${a}%`, width: `${b - a}%` }} title="${duration(gap.before)} until ${name} began" />` : null}
    <i class=${`callee fill-${model.colour(gap.callee)}`} style=${{ left: `${b}%`, width: `${Math.max(0, c - b)}%` }} title="${name}: ${duration(model.duration[gap.callee])}" />
    ${d > c ? html`<i class="gap" style=${{ left: `${c}%`, width: `${d - c}%` }} title="${duration(gap.after)} after ${name} ended" />` : null}
  `;
}

function whole(model, fold) {
  let start = Infinity;
  let end = -Infinity;
  let sum = 0;
  let flags = 0;
  for (const row of fold.rows) {
    start = Math.min(start, model.start[row]);
    end = Math.max(end, model.end(row));
    sum += model.duration[row] || 0;
    flags |= model.flags[row];
  }
  const failing = flags & FLAG.fault ? "fault" : flags & FLAG.throttle ? "throttle" : flags & FLAG.error ? "error" : "ok";
  return { start, end, sum, status: failing };
}

const DRAWN = 12;

function FoldBars({ model, fold, place, inFold }) {
  const left = inside(place(inFold.start));
  const right = inside(place(inFold.end));
  return html`
    <i class="bar folded fill-${model.colour(fold.rows[0])}" style=${{ left: `${left}%`, width: `${Math.max(0, right - left)}%` }} />
    ${fold.rows.length <= DRAWN ? fold.rows.map((row) => html`<i class="bar part fill-${model.colour(row)}" style=${{ left: `${inside(place(model.start[row]))}%`, width: `${Math.max(0, inside(place(model.end(row))) - inside(place(model.start[row])))}%` }} />`) : null}
    <span class="took" style=${{ left: `calc(${Math.max(0, Math.min(100, right))}% + 6px)` }}>${duration(inFold.sum / fold.rows.length)} each</span>
  `;
}
