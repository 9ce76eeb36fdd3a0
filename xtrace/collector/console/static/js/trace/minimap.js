// The whole trace in small, above the timeline. Dragging chooses what the timeline shows.

import { html, useEffect, useRef, useSize, useState } from "../core/view.js";
import { duration } from "../core/format.js";
import { colours, onTheme } from "../core/settings.js";
import { FLAG, SERVICE_COLOURS } from "./model.js";

const HEIGHT = 48;
const NAMES = [...Array.from({ length: SERVICE_COLOURS }, (_, index) => `service-${index}`), "fault-fill"];

export function MiniMap({ model, view, onZoom }) {
  const [ref, { width }] = useSize();
  const canvas = useRef(null);
  const [theme, setTheme] = useState(0);
  const [drag, setDrag] = useState(null);
  useEffect(() => onTheme(() => setTheme((before) => before + 1)), []);
  useEffect(() => {
    const element = canvas.current;
    if (!element || !width) return;
    const ratio = devicePixelRatio || 1;
    element.width = width * ratio;
    element.height = HEIGHT * ratio;
    const paint = element.getContext("2d");
    const palette = colours(NAMES);
    const fills = NAMES.map((name) => palette[name]);
    const n = model.length;
    const tall = Math.max(ratio, Math.min(3 * ratio, (element.height / n) * 0.8));
    const scale = element.width / model.span;
    for (let row = 0; row < n; row += 1) {
      const isFault = (model.flags[row] & FLAG.fault) !== 0;
      paint.globalAlpha = model.kind[row] === 0 || isFault ? 1 : 0.55;
      paint.fillStyle = isFault ? fills[SERVICE_COLOURS] : fills[model.colour(row)];
      paint.fillRect(model.start[row] * scale, (row / n) * (element.height - tall), Math.max(ratio, (model.end(row) - model.start[row]) * scale), tall);
    }
  }, [model, width, theme]);
  const at = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * model.span;
  };
  const isZoomed = view[0] > 0 || view[1] < model.span;
  const [from, to] = drag ? [Math.min(...drag), Math.max(...drag)] : view;
  const percent = (time) => `${(time / model.span) * 100}%`;
  const end = () => {
    if (drag && to - from > model.span * 0.002) onZoom(from, to);
    setDrag(null);
  };
  const key = (event) => {
    const span = view[1] - view[0];
    const step = span / 10;
    const moves = {
      ArrowLeft: [-Math.min(step, view[0]), -Math.min(step, view[0])],
      ArrowRight: [Math.min(step, model.span - view[1]), Math.min(step, model.span - view[1])],
      "+": [step, -step], "=": [step, -step], "-": [-step, step],
    };
    const by = moves[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    onZoom(view[0] + by[0], view[1] + by[1]);
  };
  return html`
    <div class="minimap" ref=${ref} role="group" tabindex="0" title="Drag to zoom in; double-click for all"
      aria-label="What the timeline shows: ${duration(view[0])} to ${duration(view[1])}. Arrow keys move, + and - zoom."
      onPointerDown=${(event) => { event.currentTarget.setPointerCapture(event.pointerId); setDrag([at(event), at(event)]); }}
      onPointerMove=${(event) => drag && setDrag([drag[0], at(event)])} onPointerUp=${end} onPointerCancel=${() => setDrag(null)}
      onDblClick=${() => onZoom(0, Infinity)} onKeyDown=${key}>
      <canvas ref=${canvas} style=${{ width: `${width}px`, height: `${HEIGHT}px` }} aria-hidden="true" />
      ${isZoomed || drag ? html`
        <i class="shade" style=${{ left: "0", width: percent(from) }} />
        <i class="shade" style=${{ left: percent(to), right: "0" }} />
      ` : null}
    </div>
  `;
}
