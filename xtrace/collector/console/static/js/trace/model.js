// One trace as columns, and which of its rows are to be seen: what is folded, collapsed, made the root.
// All of it is about numbers of rows, so that a hundred thousand of them cost little.

import { numbered, records } from "../core/api.js";

export const FLAG = {
  error: 1, throttle: 2, fault: 4, open: 8, orphan: 16, inferred: 32, remote: 64, aws: 128, exceptions: 256,
  skewed: 512, sql: 1024, logs: 2048,
};
const FAILING = FLAG.error | FLAG.throttle | FLAG.fault;

/** More siblings of one name in a row than this are folded into one line. */
export const FOLD_BEYOND = 5;

export const SERVICE_COLOURS = 10;

/**
 * @typedef {{key: string, rows: number[], end: number, depth: number}} Fold
 * rows: the siblings. end: the row behind the last one's descendants.
 */

export class TraceModel {
  /**
   * @param {any} answer of GET /api/v1/traces/ID
   * @param {boolean} [corrected] whether segments that begin before their callers are moved into them
   */
  constructor(answer, corrected = false) {
    this.head = answer;
    const { rows } = answer;
    const column = numbered(answer.columns);
    const n = rows.length;
    this.length = n;
    this.ids = new Array(n);
    this.names = new Array(n);
    this.labels = new Array(n);
    this.parent = new Int32Array(n);
    this.depth = new Int32Array(n);
    this.service = new Int32Array(n);
    this.kind = new Uint8Array(n);
    this.start = new Float64Array(n);
    this.duration = new Float64Array(n);
    this.flags = new Int32Array(n);
    this.self = new Float64Array(n);
    this.http = new Array(n);
    this.next = new Int32Array(n);
    /** @type {Map<string, number>} */
    this.byId = new Map();
    /** @type {Map<number, string>} What was raised, by row: type and message of the outermost exception. */
    this.raised = new Map();
    for (const { row, type, message } of records(answer.exceptions)) {
      if (!this.raised.has(row)) this.raised.set(row, [type || "exception", message].filter(Boolean).join(": "));
    }
    for (let row = 0; row < n; row += 1) {
      const given = rows[row];
      this.ids[row] = given[column.id];
      this.names[row] = given[column.name];
      this.labels[row] = given[column.label];
      this.parent[row] = given[column.parent];
      this.depth[row] = given[column.depth];
      this.service[row] = given[column.service];
      this.kind[row] = given[column.kind];
      this.start[row] = given[column.start];
      this.duration[row] = given[column.duration] ?? NaN;
      this.flags[row] = given[column.flags];
      this.self[row] = given[column.self] ?? NaN;
      this.http[row] = given[column.http_status];
      if (!this.byId.has(given[column.id])) this.byId.set(given[column.id], row);
    }
    // Where the descendants of each row end: rows are depth first.
    this.next.fill(n);
    const open = [];
    for (let row = 0; row < n; row += 1) {
      while (open.length && this.depth[open.at(-1)] >= this.depth[row]) this.next[open.pop()] = row;
      open.push(row);
    }
    this.isSkewed = this.flags.some((flags) => flags & FLAG.skewed);
    this.gaps = gapsOf(answer, this);
    if (corrected && this.isSkewed) correct(this);
    this.span = Math.max(corrected ? 0 : answer.duration || 0, latestEnd(this));
    if (!(this.span > 0)) this.span = 1e-6;
    this.colours = coloursOf(answer.services);
    this.folds = foldsOf(this);
    this.critical = criticalOf(answer);
  }

  hasChildren(row) {
    return this.next[row] > row + 1;
  }

  status(row) {
    return statusOf(this.flags[row]);
  }

  end(row) {
    return Number.isNaN(this.duration[row]) ? this.span : this.start[row] + this.duration[row];
  }

  isFailing(row) {
    return (this.flags[row] & FAILING) !== 0;
  }

  /** What a row is called: "GET /cart", else its name. */
  title(row) {
    return this.labels[row] ?? this.names[row];
  }

  serviceName(row) {
    return this.head.services[this.service[row]]?.name ?? "";
  }

  colour(row) {
    return this.colours[this.service[row]] ?? 0;
  }
}

export function statusOf(flags) {
  if (flags & FLAG.fault) return "fault";
  if (flags & FLAG.throttle) return "throttle";
  if (flags & FLAG.error) return "error";
  return flags & FLAG.open ? "open" : "ok";
}

function latestEnd(model) {
  let latest = 0;
  for (let row = 0; row < model.length; row += 1) {
    const end = Number.isNaN(model.duration[row]) ? model.start[row] : model.start[row] + model.duration[row];
    if (end > latest) latest = end;
  }
  return latest;
}

/** Move each segment that begins before its caller, and all below it, to the middle of the caller's time. */
function correct(model) {
  const callers = new Map([...model.gaps].map(([caller, { callee }]) => [callee, caller]));
  const shift = new Float64Array(model.length);
  for (let row = 0; row < model.length; row += 1) {
    shift[row] = model.parent[row] >= 0 ? shift[model.parent[row]] : 0;
    const caller = callers.get(row);
    if (caller !== undefined && model.start[row] < model.start[caller]) {
      const room = Math.max(0, (model.duration[caller] - model.duration[row]) / 2 || 0);
      shift[row] = model.start[caller] + shift[caller] + room - model.start[row];
    }
  }
  for (let row = 0; row < model.length; row += 1) model.start[row] += shift[row];
  for (const [caller, gap] of model.gaps) {
    gap.before = model.start[gap.callee] - model.start[caller];
    gap.after = gap.after === null ? null : model.start[caller] + model.duration[caller] - model.start[gap.callee] - model.duration[gap.callee];
  }
}

/** A colour for each service: mostly the same one in every trace, different ones within a trace. */
export function coloursOf(services) {
  const taken = new Set();
  const given = new Map();
  return services.map(({ name }) => {
    if (given.has(name)) return given.get(name);
    let colour = hash(name) % SERVICE_COLOURS;
    for (let tries = 0; taken.has(colour) && tries < SERVICE_COLOURS; tries += 1) colour = (colour + 3) % SERVICE_COLOURS;
    taken.add(colour);
    if (taken.size === SERVICE_COLOURS) taken.clear();
    given.set(name, colour);
    return colour;
  });
}

function hash(text) {
  let value = 2166136261;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  return (value ^ (value >>> 15)) >>> 0;
}

/** @returns {Map<number, Fold>} by their first row */
function foldsOf(model) {
  const folds = new Map();
  const runs = new Map();
  const same = (a, b) => model.names[a] === model.names[b] && model.service[a] === model.service[b] && model.kind[a] === model.kind[b];
  const close = (parent) => {
    const rows = runs.get(parent);
    if (rows && rows.length > FOLD_BEYOND) {
      folds.set(rows[0], { key: `fold:${model.ids[rows[0]]}`, rows, end: model.next[rows.at(-1)], depth: model.depth[rows[0]] });
    }
    runs.delete(parent);
  };
  for (let row = 0; row < model.length; row += 1) {
    const parent = model.parent[row];
    if (parent < 0) continue; // segments without a caller are no repetitions
    const run = runs.get(parent);
    if (run && same(run.at(-1), row)) {
      run.push(row);
    } else {
      close(parent);
      runs.set(parent, [row]);
    }
  }
  for (const parent of [...runs.keys()]) close(parent);
  return folds;
}

function gapsOf({ gaps }, model) {
  const found = new Map();
  const column = numbered(gaps.columns);
  for (const gap of gaps.rows) {
    const [caller, callee] = [gap[column.caller], gap[column.callee]];
    if (caller < model.length && callee < model.length) {
      found.set(caller, { callee, before: gap[column.before], after: gap[column.after] });
    }
  }
  return found;
}

function criticalOf({ critical_path: path }) {
  const found = new Map();
  const column = numbered(path.columns);
  for (const piece of path.rows) {
    const row = piece[column.row];
    found.set(row, [...(found.get(row) ?? []), [piece[column.start], piece[column.duration]]]);
  }
  return found;
}

/**
 * What is to be seen of a model: rows and folds, from top to bottom.
 * rows: numbers of rows; of a fold that of its first row. folds: the fold of a line, else null.
 * deeper: by how many levels it is indented besides its depth.
 * @param {TraceModel} model
 * @param {{collapsed: Set<string>, unfolded: Set<string>, root: number}} state
 */
export function visible(model, { collapsed, unfolded, root }) {
  const rows = [];
  const folds = [];
  const deeper = [];
  const from = root >= 0 ? root : 0;
  const to = root >= 0 ? model.next[root] : model.length;
  const open = [];
  const base = root >= 0 ? -model.depth[root] : 0;
  for (let row = from; row < to; ) {
    while (open.length && row >= open.at(-1)) open.pop();
    const fold = row === root ? undefined : model.folds.get(row);
    if (fold) {
      rows.push(row);
      folds.push(fold);
      deeper.push(base + open.length);
      if (!unfolded.has(fold.key)) {
        row = fold.end;
        continue;
      }
      open.push(fold.end);
    }
    rows.push(row);
    folds.push(null);
    deeper.push(base + open.length);
    row = collapsed.has(model.ids[row]) ? model.next[row] : row + 1;
  }
  return { rows, folds, deeper };
}

/** What must be open for a row to be seen: the ids of its ancestors, and the folds that it is in. */
export function above(model, row) {
  const ids = [];
  const folds = [];
  for (const fold of model.folds.values()) {
    if (fold.rows[0] <= row && row < fold.end) folds.push(fold.key);
  }
  for (let parent = model.parent[row]; parent >= 0; parent = model.parent[parent]) ids.push(model.ids[parent]);
  return { ids, folds };
}

/** Rows whose name, label, or service has a text in it. */
export function search(model, text) {
  const wanted = text.trim().toLowerCase();
  const found = [];
  if (!wanted) return found;
  const services = model.head.services.map(({ name }) => name.toLowerCase().includes(wanted));
  for (let row = 0; row < model.length; row += 1) {
    if (
      services[model.service[row]] || model.names[row].toLowerCase().includes(wanted) ||
      model.labels[row]?.toLowerCase().includes(wanted) || model.ids[row].startsWith(wanted)
    ) found.push(row);
  }
  return found;
}

/** Round marks on an axis from a to b seconds. */
export function ticks(a, b, most) {
  const span = b - a;
  if (!(span > 0)) return [a];
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => span / each <= most) ?? span;
  const marks = [];
  for (let mark = Math.ceil(a / step - 1e-9) * step; mark <= b + step * 1e-6 && marks.length < 50; mark += step) marks.push(mark);
  return marks;
}
