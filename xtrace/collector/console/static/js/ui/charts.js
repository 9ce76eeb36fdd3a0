// Charts: bars by response time, bars by time, a heat map of both, sparklines. A range of each is chosen by
// dragging or with the keys, and what each shows can be read as a table.

import { classes, html, useEffect, useRef, useSize, useState } from "../core/view.js";
import { clock, count, duration, minute } from "../core/format.js";
import { colours, onTheme } from "../core/settings.js";
import { Icon } from "./icons.js";
import { SHORT_WORDS, STATUSES } from "./status.js";

const STEPS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];

/** The steps of the scale of response times that enclose [low, high], in seconds. */
export function scale(low, high) {
  const first = Math.floor(Math.log10(Math.max(low, 1e-6)));
  const last = Math.floor(Math.log10(Math.max(high, low, 1e-6))) + 1;
  const steps = [];
  for (let power = first; power <= last; power += 1) {
    for (const step of STEPS) steps.push(Number((step * 10 ** power).toPrecision(2)));
  }
  const from = Math.max(0, steps.findLastIndex((step) => step <= low));
  return steps.slice(from, steps.findIndex((step) => step > high) + 1);
}

/**
 * Pairs of [seconds, count] in bins of that scale.
 * @param {[number, number][]} pairs
 */
export function binned(pairs) {
  if (!pairs.length) return { bounds: [], counts: [] };
  const bounds = scale(pairs[0][0], pairs.at(-1)[0]);
  const counts = new Array(bounds.length - 1).fill(0);
  let bin = 0;
  for (const [seconds, many] of pairs) {
    while (bin < counts.length - 1 && seconds >= bounds[bin + 1]) bin += 1;
    counts[bin] += many;
  }
  return { bounds, counts };
}

/**
 * Choose bins [from, to] with pointer or keys.
 * @param {number} bins @param {(x: number) => number} binAt @param {(from: number, to: number) => void} choose
 */
function useBrush(bins, binAt, choose) {
  const [brush, setBrush] = useState(null);
  const start = useRef(null);
  const range = brush && [Math.min(...brush), Math.max(...brush)];
  const down = (event) => {
    if (event.button !== 0) return;
    const bin = binAt(event);
    start.current = bin;
    event.currentTarget.setPointerCapture(event.pointerId);
    setBrush([bin, bin]);
  };
  const move = (event) => start.current !== null && setBrush([start.current, binAt(event)]);
  const up = (event) => {
    if (start.current === null) return;
    const to = binAt(event);
    const from = start.current;
    start.current = null;
    setBrush(null);
    choose(Math.min(from, to), Math.max(from, to));
  };
  const cancel = () => {
    start.current = null;
    setBrush(null);
  };
  const key = (event) => {
    const [anchor, end] = brush ?? [0, 0];
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -bins, End: bins }[event.key];
    if (step !== undefined) {
      const next = Math.max(0, Math.min(bins - 1, brush ? end + step : step > 0 ? 0 : bins - 1));
      setBrush([event.shiftKey ? anchor : next, next]);
    } else if (event.key === "Enter" && range) {
      choose(...range);
      setBrush(null);
    } else if (event.key === "Escape" && brush) {
      setBrush(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const handlers = { onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerCancel: cancel, onKeyDown: key, onBlur: () => setBrush(null) };
  return [range, handlers];
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** A chart and, a button away, what it says as a table. */
export function Chart({ title, note, tools, table, children }) {
  const [asTable, setAsTable] = useState(false);
  return html`
    <section class="panel chart">
      <header>
        <h2>${title}</h2>
        <span class="dim small chart-note">${note}</span>
        <span class="spacer" />
        ${tools}
        <button type="button" class="icon-button small" aria-pressed=${String(asTable)} aria-label="${title} as a table" title="As a table" onClick=${() => setAsTable(!asTable)}>
          <${Icon} name="table" small />
        </button>
      </header>
      <div class="body">
        ${asTable ? html`<div class="chart-table" tabindex="0" role="region" aria-label="${title} as a table">${table()}</div>` : children}
      </div>
    </section>
  `;
}

/**
 * How many there were by response time.
 * @param {{bounds: number[], counts: (number | number[])[], height?: number, selected?: [number, number] | null, onSelect?: (from: number, to: number) => void, label: string}} props
 * counts: of each bin, one number or [ok, error, throttle, fault].
 */
export function Histogram({ bounds, counts, height = 96, selected = null, onSelect, label }) {
  const [ref, { width }] = useSize();
  const bins = counts.length;
  const slot = bins ? width / bins : 0;
  const binAt = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return clamp(Math.floor(((event.clientX - box.left) / box.width) * bins), 0, bins - 1);
  };
  const [brush, handlers] = useBrush(bins, binAt, (from, to) => onSelect?.(bounds[from], bounds[to + 1]));
  const totals = counts.map((each) => (Array.isArray(each) ? each.reduce((sum, one) => sum + one, 0) : each));
  const highest = Math.max(1, ...totals);
  const marked = brush ?? (selected ? [bounds.findIndex((bound) => bound >= selected[0] - 1e-9), bounds.findLastIndex((bound) => bound < selected[1] - 1e-9)] : null);
  const said = brush
    ? `${duration(bounds[brush[0]])} to ${duration(bounds[brush[1] + 1])}: ${count(totals.slice(brush[0], brush[1] + 1).reduce((a, b) => a + b, 0))}`
    : "";
  const plot = height - 18;
  const every = Math.max(1, Math.ceil(52 / Math.max(1, slot)));
  return html`
    <div class=${classes("brushable", onSelect && "can-select")} ref=${ref}
      tabindex=${onSelect && bins ? 0 : null} role=${onSelect && bins ? "group" : null}
      aria-label=${onSelect ? `${label}. Arrow keys move, with Shift they select, Enter filters.` : null} ...${onSelect && bins ? handlers : {}}>
      <svg width=${width || "100%"} height=${height} role="img" aria-label=${`${label}: ${describe(bounds, totals)}`}>
        ${marked && marked[0] >= 0 ? html`<rect class="brush" x=${marked[0] * slot} y="0" width=${Math.max(1, (marked[1] - marked[0] + 1) * slot)} height=${plot} />` : null}
        ${counts.map((each, bin) => html`<${Bar} parts=${Array.isArray(each) ? each : null} total=${totals[bin]} x=${bin * slot} slot=${slot} plot=${plot} highest=${highest} title=${`${duration(bounds[bin])} – ${duration(bounds[bin + 1])}: ${count(totals[bin])}`} />`)}
        <line class="axis" x1="0" x2=${width} y1=${plot + 0.5} y2=${plot + 0.5} />
        ${bounds.map((bound, index) => (index % every === 0 && index * slot < width - 30 ? html`<text class="tick-label" x=${index * slot} y=${height - 4}>${duration(bound)}</text>` : null))}
      </svg>
      <div class="brush-note" aria-live="polite">${said}</div>
    </div>
  `;
}

function describe(bounds, totals) {
  const total = totals.reduce((sum, each) => sum + each, 0);
  if (!total) return "nothing";
  const most = totals.indexOf(Math.max(...totals));
  return `${count(total)} between ${duration(bounds[0])} and ${duration(bounds.at(-1))}, most at ${duration(bounds[most])}`;
}

function Bar({ parts, total, x, slot, plot, highest, title }) {
  if (!total) return null;
  const whole = Math.max(1.5, (total / highest) * (plot - 2));
  const gap = slot > 4 ? 1 : 0;
  let y = plot;
  const pieces = parts ? parts.map((many, index) => [many, STATUSES[index]]) : [[total, "plain"]];
  return html`
    <g><title>${title}</title>
      ${pieces.map(([many, status]) => {
        if (!many) return null;
        const height = parts ? Math.max(1.5, (many / total) * whole) : whole;
        y -= height;
        return html`<rect class="fill-${status}" x=${x + gap / 2} y=${y} width=${Math.max(0.5, slot - gap)} height=${height} />`;
      })}
    </g>
  `;
}

/**
 * How many there were in the course of time.
 * @param {{starts: number[], step: number, counts: number[][], height?: number, onSelect?: (from: number, to: number) => void, label: string}} props
 */
export function TimeBars({ starts, step, counts, height = 96, onSelect, label }) {
  const [ref, { width }] = useSize();
  const bins = starts.length;
  const slot = bins ? width / bins : 0;
  const binAt = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return clamp(Math.floor(((event.clientX - box.left) / box.width) * bins), 0, bins - 1);
  };
  const [brush, handlers] = useBrush(bins, binAt, (from, to) => onSelect?.(starts[from], starts[to] + step));
  const totals = counts.map((each) => each.reduce((sum, one) => sum + one, 0));
  const highest = Math.max(1, ...totals);
  const plot = height - 18;
  const total = totals.reduce((a, b) => a + b, 0);
  const said = brush ? `${clock(starts[brush[0]])} to ${clock(starts[brush[1]] + step)}` : "";
  return html`
    <div class=${classes("brushable", onSelect && "can-select")} ref=${ref} tabindex=${onSelect && bins ? 0 : null} role=${onSelect && bins ? "group" : null}
      aria-label=${onSelect ? `${label}. Arrow keys move, with Shift they select, Enter narrows the time.` : null} ...${onSelect && bins ? handlers : {}}>
      <svg width=${width || "100%"} height=${height} role="img" aria-label=${`${label}: ${count(total)} in all`}>
        ${brush ? html`<rect class="brush" x=${brush[0] * slot} y="0" width=${(brush[1] - brush[0] + 1) * slot} height=${plot} />` : null}
        ${counts.map((each, bin) => html`<${Bar} parts=${each} total=${totals[bin]} x=${bin * slot} slot=${slot} plot=${plot} highest=${highest} title=${`${clock(starts[bin])}: ${count(totals[bin])}`} />`)}
        <line class="axis" x1="0" x2=${width} y1=${plot + 0.5} y2=${plot + 0.5} />
        <${TimeLabels} starts=${starts} step=${step} slot=${slot} width=${width} y=${height - 4} />
      </svg>
      <div class="brush-note" aria-live="polite">${said}</div>
    </div>
  `;
}

const LABEL_WIDTH = 64;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** Round times below a chart, as many as there is room for. */
function TimeLabels({ starts, step, slot, width, y }) {
  if (!starts.length || !(slot > 0)) return null;
  const perSecond = slot / step;
  const room = LABEL_WIDTH / perSecond;
  const tick = TICKS.find((each) => each >= room) ?? Math.ceil(room / 86400) * 86400;
  // Days begin at midnight where the reader is.
  const zone = new Date(starts[0] * 1000).getTimezoneOffset() * 60;
  const labels = [];
  for (let time = Math.ceil((starts[0] - zone) / tick) * tick + zone; (time - starts[0]) * perSecond < width - 44; time += tick) labels.push(time);
  return labels.map((time) => html`<text class="tick-label" x=${(time - starts[0]) * perSecond} y=${y}>${tick < 60 ? clock(time) : minute(time)}</text>`);
}

const LEFT = 44;

/**
 * How many there were by time and response time.
 * @param {{starts: number[], step: number, bounds: number[], cells: number[][], height?: number, onSelect?: (range: {start: number, end: number, low: number, high: number}) => void, label: string}} props
 * cells: [number of start, number of bound, ok, error, throttle, fault].
 */
export function HeatMap({ starts, step, bounds, cells, height = 96, onSelect, label }) {
  const [ref, { width }] = useSize();
  const canvas = useRef(null);
  const [drag, setDrag] = useState(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => onTheme(() => setTheme((before) => before + 1)), []);
  const rows = Math.max(1, bounds.length - 1);
  const plot = height - 18;
  const across = Math.max(0, width - LEFT);
  const slot = starts.length ? across / starts.length : 0;
  const tall = plot / rows;
  useEffect(() => {
    const element = canvas.current;
    if (!element || !width) return;
    const ratio = devicePixelRatio || 1;
    element.width = width * ratio;
    element.height = plot * ratio;
    const paint = element.getContext("2d");
    paint.scale(ratio, ratio);
    paint.clearRect(0, 0, width, plot);
    const palette = colours(["accent-fill", "error-fill", "throttle-fill", "fault-fill"]);
    const most = Math.max(1, ...cells.map(([, , ...counts]) => counts.reduce((a, b) => a + b, 0)));
    for (const [column, row, ok, error, throttle, fault] of cells) {
      const total = ok + error + throttle + fault;
      const x = LEFT + column * slot;
      const y = plot - (row + 1) * tall;
      paint.globalAlpha = 0.18 + 0.82 * Math.sqrt(total / most);
      paint.fillStyle = palette[fault ? "fault-fill" : throttle ? "throttle-fill" : error ? "error-fill" : "accent-fill"];
      paint.fillRect(x, y, Math.max(1.5, slot - 0.5), Math.max(1.5, tall - 0.5));
    }
  }, [cells, width, plot, theme]);
  const at = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return {
      column: clamp(Math.floor((event.clientX - box.left - LEFT) / slot), 0, starts.length - 1),
      row: clamp(Math.floor((plot - (event.clientY - box.top)) / tall), 0, rows - 1),
    };
  };
  const area = drag && {
    left: Math.min(drag.from.column, drag.to.column), right: Math.max(drag.from.column, drag.to.column),
    low: Math.min(drag.from.row, drag.to.row), high: Math.max(drag.from.row, drag.to.row),
  };
  const choose = () => area && onSelect?.({
    start: starts[area.left], end: starts[area.right] + step, low: bounds[area.low], high: bounds[area.high + 1],
  });
  const handlers = onSelect && starts.length ? {
    onPointerDown: (event) => {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      const from = at(event);
      setDrag({ from, to: from, pointer: true });
    },
    onPointerMove: (event) => drag?.pointer && setDrag({ ...drag, to: at(event) }),
    onPointerUp: () => {
      if (!drag?.pointer) return;
      setDrag(null);
      choose();
    },
    onPointerCancel: () => setDrag(null),
    onBlur: () => setDrag(null),
    onKeyDown: (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (step) {
        const now = drag?.to ?? { column: 0, row: 0 };
        const to = drag ? { column: clamp(now.column + step[0], 0, starts.length - 1), row: clamp(now.row + step[1], 0, rows - 1) } : now;
        setDrag({ from: event.shiftKey && drag ? drag.from : to, to });
      } else if (event.key === "Enter" && drag) {
        setDrag(null);
        choose();
      } else if (event.key === "Escape" && drag) {
        setDrag(null);
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    },
  } : {};
  const every = Math.max(1, Math.ceil(16 / Math.max(0.5, tall)));
  const said = area ? `${clock(starts[area.left])} to ${clock(starts[area.right] + step)}, ${duration(bounds[area.low])} to ${duration(bounds[area.high + 1])}` : "";
  return html`
    <div class=${classes("brushable heatmap", onSelect && "can-select")} ref=${ref} tabindex=${onSelect && starts.length ? 0 : null} role=${onSelect && starts.length ? "group" : null}
      aria-label=${onSelect ? `${label}. Arrow keys move, with Shift they select, Enter filters.` : null} ...${handlers}>
      <canvas ref=${canvas} style=${{ width: `${width}px`, height: `${plot}px` }} role="img" aria-label=${label} />
      <svg class="over" width=${width || "100%"} height=${height} aria-hidden="true">
        <line class="axis" x1=${LEFT} x2=${width} y1=${plot + 0.5} y2=${plot + 0.5} />
        ${bounds.map((bound, index) => (index % every === 0 && plot - index * tall > 9 ? html`<text class="tick-label" text-anchor="end" x=${LEFT - 6} y=${plot - index * tall}>${duration(bound)}</text>` : null))}
        <g transform="translate(${LEFT} 0)"><${TimeLabels} starts=${starts} step=${step} slot=${slot} width=${across} y=${height - 4} /></g>
        ${area ? html`<rect class="brush" x=${LEFT + area.left * slot} y=${plot - (area.high + 1) * tall} width=${(area.right - area.left + 1) * slot} height=${(area.high - area.low + 1) * tall} />` : null}
      </svg>
      <div class="brush-note" aria-live="polite">${said}</div>
    </div>
  `;
}

/** A course in small. @param {{values: number[], label: string, width?: number, height?: number, kind?: string}} props */
export function Sparkline({ values, label, width = 120, height = 22, kind = "plain" }) {
  const highest = Math.max(1e-12, ...values);
  const slot = width / Math.max(1, values.length);
  return html`
    <svg class="sparkline" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img" aria-label=${label}>
      <line class="axis" x1="0" x2=${width} y1=${height - 0.5} y2=${height - 0.5} />
      ${values.map((value, index) => {
        if (!value) return null;
        const tall = Math.max(1.5, (value / highest) * (height - 2));
        return html`<rect class="fill-${kind}" x=${index * slot} y=${height - tall} width=${Math.max(0.75, slot - 0.75)} height=${tall} />`;
      })}
    </svg>
  `;
}

/** Rows of a chart's table, of bins by response time. */
export const binTable = (bounds, counts) => html`
  <table>
    <thead><tr><th scope="col">From</th><th scope="col">To</th>${STATUSES.map((status) => html`<th scope="col" class="number">${SHORT_WORDS[status]}</th>`)}</tr></thead>
    <tbody>
      ${counts.map((each, bin) => {
        const parts = Array.isArray(each) ? each : [each, "", "", ""];
        return parts.some(Boolean) ? html`<tr><td>${duration(bounds[bin])}</td><td>${duration(bounds[bin + 1])}</td>${parts.map((many) => html`<td class="number">${many === "" ? "" : count(many)}</td>`)}</tr>` : null;
      })}
    </tbody>
  </table>
`;

/** The same, of bins by time. */
export const timeTable = (starts, counts) => html`
  <table>
    <thead><tr><th scope="col">From</th>${STATUSES.map((status) => html`<th scope="col" class="number">${SHORT_WORDS[status]}</th>`)}</tr></thead>
    <tbody>
      ${counts.map((each, bin) => (each.some(Boolean) ? html`<tr><td>${clock(starts[bin])}</td>${each.map((many) => html`<td class="number">${count(many)}</td>`)}</tr>` : null))}
    </tbody>
  </table>
`;
