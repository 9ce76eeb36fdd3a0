// One trace: what it is, and its five views.

import { classes, html, useEffect, useLatest, useLayoutEffect, useLoad, useMemo, useRef, useState } from "../core/view.js";
import { get, part, records } from "../core/api.js";
import { age, bytes, clock, count, duration, iso, plural, shortId } from "../core/format.js";
import { isLoose, useKeys } from "../core/keys.js";
import { onLive, paused } from "../core/live.js";
import { quoted } from "../core/filter.js";
import { marks, toggleMark } from "../core/marks.js";
import { setting } from "../core/settings.js";
import { change, href, usePlace } from "../core/url.js";
import { Chips, TraceMap } from "../map/trace-map.js";
import { CopyButton } from "../ui/copy.js";
import { Failure } from "../ui/empty.js";
import { exportTraces } from "../ui/files.js";
import { Icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { Status } from "../ui/status.js";
import { Tabs } from "../ui/tabs.js";
import { Url } from "../screens/traces.js";
import { copyOf, Detail } from "./detail.js";
import { MiniMap } from "./minimap.js";
import { above, FLAG, search, TraceModel, visible } from "./model.js";
import { Logs, Raw, Statistics } from "./parts.js";
import { keyOf, lineOf, reveal, Timeline } from "./timeline.js";

const VIEWS = [
  { id: "timeline", name: "Timeline" },
  { id: "map", name: "Map" },
  { id: "statistics", name: "Statistics" },
  { id: "logs", name: "Logs" },
  { id: "raw", name: "Raw" },
];
const REFRESH_MS = 700;
const ALL_ROWS = 1_000_000;

export function TraceScreen({ id }) {
  const { params } = usePlace();
  const [all, setAll] = useState(false);
  const { data, error, loading, reload } = useLoad((signal) => get(`traces/${part(id)}`, { limit: all ? ALL_ROWS : null }, signal), [id, all]);
  const clocks = setting("clocks", "as-received").use();
  const model = useMemo(() => (data ? new TraceModel(data, clocks === "corrected") : null), [data, clocks]);
  const view = VIEWS.some((each) => each.id === params.get("view")) ? params.get("view") : "timeline";
  useFollow(id, reload);
  if (error && !data) return html`<${Missing} id=${id} error=${error} retry=${reload} />`;
  if (!model) return html`<div class="loading"><span class="spinner" />Loading the trace …</div>`;
  const tabs = VIEWS.map((each) => (each.id === "logs" ? { ...each, count: model.flags.reduce((sum, flags) => sum + (flags & FLAG.logs ? 1 : 0), 0) } : each));
  const show = (next) => change({ view: next === "timeline" ? null : next });
  return html`
    <div class="trace">
      <${Head} model=${model} id=${id} loading=${loading} />
      <${Tabs} label="Views" tabs=${tabs} chosen=${view} choose=${show} panel="trace-view" />
      <div class="trace-view" id="trace-view" role="tabpanel" aria-labelledby="trace-view-${view}">
        ${view === "timeline" ? html`<${TimelineView} ...${{ id, model, loadAll: () => setAll(true), loading }} />` : null}
        ${view === "map" ? html`<${TraceMap} id=${id} revision=${data.revision} />` : null}
        ${view === "statistics" ? html`<${Statistics} id=${id} revision=${data.revision} model=${model} onFind=${(name) => change({ view: null, find: name })} />` : null}
        ${view === "logs" ? html`<${Logs} id=${id} revision=${data.revision} model=${model} onSelect=${(row) => change({ view: null, row })} />` : null}
        ${view === "raw" ? html`<${Raw} id=${id} revision=${data.revision} />` : null}
      </div>
    </div>
  `;
}

/** Load again when the trace has changed, unless the reader has stopped that. */
function useFollow(id, reload) {
  const isPaused = paused.use();
  const timer = useRef(0);
  useEffect(() => {
    const undo = onLive((type, data) => {
      if (type !== "trace" && type !== "update") return;
      if (isPaused || timer.current || !data.rows.some((row) => row[0] === id)) return;
      timer.current = setTimeout(() => {
        timer.current = 0;
        reload();
      }, REFRESH_MS);
    });
    return () => {
      undo();
      clearTimeout(timer.current);
      timer.current = 0;
    };
  }, [id, isPaused, reload]);
}

function Missing({ id, error, retry }) {
  if (error.status !== 404) return html`<${Failure} error=${error} retry=${retry} />`;
  return html`
    <div class="notice center">
      <h1>This trace isn't stored here</h1>
      <p class="dim"><code>${id}</code> has gone to make room, hasn't arrived yet, or was sent elsewhere. If it arrives, it is shown at once.</p>
      <div class="row"><button type="button" class="button" onClick=${retry}>Look again</button><a class="button" href=${href("/traces")}>To the traces</a></div>
    </div>
  `;
}

// -- the head --------------------------------------------------------------------------------------

function Head({ model, id, loading }) {
  const { head } = model;
  const marked = marks.use();
  const isMarked = marked.includes(id);
  const other = marked.filter((each) => each !== id).at(-1);
  return html`
    <header class="trace-head">
      <a class="icon-button" href=${href("/traces")} aria-label="Back to the traces" title="Back to the traces"><${Icon} name="left" /></a>
      <div class="trace-title">
        <h1><${Status} status=${head.status}>${head.http_status ?? ""}</${Status}> ${head.method ? html`<span class="strong">${head.method}</span> ` : null}<${Url} url=${head.url} service=${head.service} /></h1>
        <p class="facts-line">
          <span title="Until the client was answered"><b>${head.response_time === null ? "in progress" : duration(head.response_time)}</b> response</span>
          ${Math.abs((head.duration ?? 0) - (head.response_time ?? head.duration)) > 0.0005 ? html`<span title="Until the last work ended"><b>${duration(head.duration)}</b> in all</span>` : null}
          <span>${plural(head.services.length, "service")}</span>
          <span title="${plural(head.documents, "document")}, ${bytes(head.bytes)}">${plural(head.total, "row")}</span>
          <span title=${iso(head.start)}>${clock(head.start, true)} <span class="dim">(${age(head.start, Date.now() / 1000)})</span></span>
          ${head.user ? html`<span>by ${head.user}</span>` : null}
          ${head.run ? html`<span class="tag">run ${head.run}</span>` : null}
          <span class="mono trace-id">${id}</span><${CopyButton} text=${id} what="The trace id" />
          ${loading ? html`<span class="spinner" />` : null}
        </p>
      </div>
      <div class="row wrap trace-actions">
        ${other ? html`<a class="button" href=${href("/compare", { a: other, b: id })} title="With ${shortId(other)}, which is marked"><${Icon} name="compare" />Compare</a>`
          : html`<button type="button" class="button" aria-pressed=${String(isMarked)} title="Mark, then open another one to compare ( x )" onClick=${() => toggleMark(id)}><${Icon} name="compare" />${isMarked ? "Marked" : "Mark"}</button>`}
        <button type="button" class="button" onClick=${() => exportTraces({ what: "this trace", path: `traces/${part(id)}/export`, single: true })}><${Icon} name="download" />Save</button>
        <${Menu} name="Copy" icon="copy" kind="icon-button" side="right" items=${[
          { label: "Link", hint: "y l", icon: "link", run: () => copyOf("link", id, null) },
          { label: "All documents", run: () => copyOf("json", id, null) },
          { label: "Python that fetches it", hint: "y p", run: () => copyOf("python", id, null) },
        ]} />
        ${head.url ? html`<${Menu} name="More" icon="more" kind="icon-button" side="right" items=${[
          { label: "Don't record this path any more …", icon: "filter", href: href("/sampling", { path: pathOf(head.url), method: head.method }, []) },
          { label: "Traces of this URL", icon: "search", href: href("/traces", { filter: `http.url = ${quoted(head.url)}` }, ["range", "group", "run"]) },
          head.user && { label: `Traces of ${head.user}`, icon: "person", href: href("/traces", { filter: `user = ${quoted(head.user)}` }, ["range", "group", "run"]) },
        ]} />` : null}
      </div>
    </header>
    <${Links} id=${id} links=${head.links} />
    <${Warnings} warnings=${head.warnings} isSkewed=${model.isSkewed} />
  `;
}

/** The path of a URL, as sampling rules match it. */
function pathOf(url) {
  const found = /^(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#]*([^?#]*)/i.exec(url);
  return found ? found[1] || "/" : url;
}

const SHOWN_LINKS = 20;

function Links({ id, links }) {
  // A trace that follows from itself, as behind a queue, is no other one.
  const [before, after] = [links.before, links.after].map((each) => each.filter((link) => link.trace_id !== id));
  const left = [before, after].reduce((sum, each) => sum + Math.max(0, each.length - SHOWN_LINKS), 0);
  if (!before.length && !after.length) return null;
  const box = (link) => html`<a class="linked" href=${href(`/traces/${part(link.trace_id)}`, { row: link.id })}>${shortId(link.trace_id)}${link.stored === false ? html` <span class="dimmer">not stored</span>` : null}</a>`;
  return html`
    <div class="links">
      ${before.length ? html`<span class="dim">follows</span>${before.slice(0, SHOWN_LINKS).map(box)}` : null}
      <span class="linked here">this trace</span>
      ${after.length ? html`<span class="dim">followed by</span>${after.slice(0, SHOWN_LINKS).map(box)}` : null}
      ${left ? html`<span class="dim">and ${count(left)} more</span>` : null}
    </div>
  `;
}

function Warnings({ warnings, isSkewed }) {
  const [all, setAll] = useState(false);
  const clocks = setting("clocks", "as-received");
  const isCorrected = clocks.use() === "corrected";
  const told = warnings.filter((each) => each.code !== "row_limit");
  if (!told.length) return null;
  const shown = all ? told.slice(0, 50) : told.slice(0, 1);
  return html`
    <div class="banner warnings">
      <${Icon} name="warning" />
      <ul>${shown.map(({ text }) => html`<li>${text}</li>`)}</ul>
      ${isSkewed ? html`<button type="button" class="button small" aria-pressed=${String(isCorrected)} title="Move segments that begin before their callers into them; nothing that is stored changes" onClick=${() => clocks.set(isCorrected ? "as-received" : "corrected")}>${isCorrected ? "Clocks corrected" : "Correct the clocks"}</button>` : null}
      ${told.length > 1 ? html`<button type="button" class="button quiet small" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${all ? "Fewer" : `${count(told.length - 1)} more`}</button>` : null}
    </div>
  `;
}

// -- the timeline with its tools -------------------------------------------------------------------

function TimelineView({ id, model, loadAll, loading }) {
  const { params } = usePlace();
  const selected = params.get("row");
  const rootId = params.get("root");
  const text = params.get("find") ?? "";
  const root = rootId ? model.byId.get(rootId) ?? -1 : -1;
  const [collapsed, setCollapsed] = useState(() => new Set());
  const [unfolded, setUnfolded] = useState(() => new Set());
  const [window, setWindow] = useState(null);
  const critical = setting("critical", "off");
  const showsCritical = critical.use() === "on";
  const grid = useRef(null);
  const finder = useRef(null);
  const lines = useMemo(() => visible(model, { collapsed, unfolded, root }), [model, collapsed, unfolded, root]);
  const found = useMemo(() => search(model, text), [model, text]);
  const matches = useMemo(() => new Set(found), [found]);
  const view = window ?? (root >= 0 ? [model.start[root], Math.max(model.end(root), model.start[root] + 1e-6)] : [0, model.span]);
  const row = selected === null || selected.startsWith("fold:") ? -1 : model.byId.get(selected) ?? -1;
  const at = lineOf(lines, model, selected);
  const openDetail = setting("details", "on");
  const showsDetail = openDetail.use() === "on" && row >= 0;

  const select = useLatest((key, { open = false, centre = false } = {}) => {
    if (open) openDetail.set("on");
    pending.current = centre ? "centre" : "near";
    change({ row: key }, { replace: true });
  });
  // Where it was asked for, bring it into sight once it is drawn.
  const pending = useRef("centre");
  useLayoutEffect(() => {
    if (pending.current && at >= 0) {
      reveal(grid.current, at, pending.current === "centre");
      pending.current = null;
    }
  });
  // A row that is asked for by the address is made visible.
  useEffect(() => {
    if (row >= 0 && at < 0) {
      const needed = above(model, row);
      setCollapsed((before) => without(before, needed.ids));
      setUnfolded((before) => new Set([...before, ...needed.folds]));
      pending.current = "centre";
      if (root >= 0 && (row < root || row >= model.next[root])) change({ root: null }, { replace: true });
    }
  }, [model, row, root]);
  useAnchor(grid, model, lines);

  const goTo = (target, centre = true) => {
    if (target < 0 || target === undefined) return;
    const needed = above(model, target);
    setCollapsed((before) => without(before, needed.ids));
    setUnfolded((before) => new Set([...before, ...needed.folds]));
    select(model.ids[target], { centre });
  };
  const step = (by) => {
    const next = at < 0 ? 0 : Math.max(0, Math.min(lines.rows.length - 1, at + by));
    if (lines.rows.length) select(keyOf(lines, model, next));
  };
  const toggle = (line) => {
    const fold = lines.folds[line];
    const key = fold ? fold.key : model.ids[lines.rows[line]];
    (fold ? setUnfolded : setCollapsed)((before) => toggled(before, key));
  };
  const isOpen = (line) => (lines.folds[line] ? unfolded.has(lines.folds[line].key) : model.hasChildren(lines.rows[line]) && !collapsed.has(model.ids[lines.rows[line]]));
  const right = () => {
    if (at < 0) return step(1);
    const more = lines.folds[at] || model.hasChildren(lines.rows[at]);
    if (more && !isOpen(at)) toggle(at);
    else if (more) step(1);
    return undefined;
  };
  const left = () => {
    if (at < 0) return;
    if (isOpen(at)) toggle(at);
    else if (row >= 0 && model.parent[row] >= 0) {
      const inFold = [...model.folds.values()].find((fold) => fold.rows.includes(row) && unfolded.has(fold.key));
      if (inFold) select(inFold.key);
      else select(model.ids[model.parent[row]]);
    }
  };
  const expandAll = () => {
    setCollapsed(new Set());
    setUnfolded(new Set([...model.folds.values()].map((fold) => fold.key)));
  };
  const collapseAll = () => {
    const every = new Set();
    for (let each = 0; each < model.length; each += 1) if (model.hasChildren(each) && each !== root) every.add(model.ids[each]);
    setCollapsed(every);
    setUnfolded(new Set());
  };
  const deepen = (by) => {
    const depths = lines.rows.map((each) => model.depth[each]);
    const deepest = depths.reduce((most, each) => Math.max(most, each), 0) + by;
    const next = new Set();
    for (let each = 0; each < model.length; each += 1) if (model.hasChildren(each) && model.depth[each] >= deepest) next.add(model.ids[each]);
    setCollapsed(next);
  };
  const nth = (list, by) => {
    if (!list.length) return;
    const here = row;
    const next = by > 0 ? list.find((each) => each > here) ?? list[0] : list.findLast((each) => each < (here < 0 ? Infinity : here)) ?? list.at(-1);
    goTo(next);
  };
  const failing = useMemo(() => {
    const all = [];
    for (let each = 0; each < model.length; each += 1) if (model.isFailing(each)) all.push(each);
    return all;
  }, [model]);
  const pathRows = useMemo(() => [...model.critical.keys()].sort((a, b) => model.critical.get(a)[0][0] - model.critical.get(b)[0][0]), [model]);
  const zoom = (from, to) => {
    const low = Math.max(0, from);
    const high = Math.min(model.span, to);
    setWindow(high - low >= model.span * 0.9999 || !(high > low) ? null : [low, high]);
  };
  const zoomToRow = () => {
    if (row < 0) return;
    const margin = Math.max((model.end(row) - model.start[row]) * 0.04, model.span * 1e-5);
    zoom(model.start[row] - margin, model.end(row) + margin);
  };
  const escape = () => {
    if (text) change({ find: null }, { replace: true });
    else if (showsDetail) openDetail.set("off");
    else if (window) setWindow(null);
    else if (rootId) change({ root: null });
    else if (selected) change({ row: null }, { replace: true });
  };
  const bindings = [
    { keys: "j", label: "Next row", group: "Timeline", run: () => step(1) },
    { keys: "k", label: "Row before", group: "Timeline", run: () => step(-1) },
    { keys: "ArrowDown", label: "Next row", group: "Timeline", hidden: true, when: isLoose, run: () => step(1) },
    { keys: "ArrowUp", label: "Row before", group: "Timeline", hidden: true, when: isLoose, run: () => step(-1) },
    { keys: "ArrowRight", label: "Expand", group: "Timeline", hidden: true, when: isLoose, run: right },
    { keys: "ArrowLeft", label: "Collapse", group: "Timeline", hidden: true, when: isLoose, run: left },
    { keys: "l", label: "Expand, or to the first child", group: "Timeline", run: right },
    { keys: "h", label: "Collapse, or to the parent", group: "Timeline", run: left },
    { keys: "[", label: "Expand all", group: "Timeline", run: expandAll },
    { keys: "]", label: "Collapse all", group: "Timeline", run: collapseAll },
    { keys: "}", label: "One level less", group: "Timeline", run: () => deepen(-1) },
    { keys: "{", label: "One level more", group: "Timeline", run: () => deepen(1) },
    { keys: "Enter", label: "Details", group: "Timeline", run: () => (row >= 0 ? openDetail.set("on") : at >= 0 && toggle(at)) },
    { keys: "/", label: "Find in the trace", group: "Timeline", run: () => finder.current?.focus() },
    { keys: "n", label: "Next match", group: "Timeline", run: () => nth(found, 1) },
    { keys: "N", label: "Match before", group: "Timeline", run: () => nth(found, -1) },
    { keys: "e", label: "Next error", group: "Timeline", run: () => nth(failing, 1) },
    { keys: "E", label: "Error before", group: "Timeline", run: () => nth(failing, -1) },
    { keys: "c", label: "Critical path", group: "Timeline", run: () => critical.set(showsCritical ? "off" : "on") },
    { keys: ">", label: "Next part of the critical path", group: "Timeline", run: () => nextOf(pathRows, row, 1, goTo) },
    { keys: "<", label: "Part of the critical path before", group: "Timeline", run: () => nextOf(pathRows, row, -1, goTo) },
    { keys: "z", label: "Zoom to the row", group: "Timeline", run: zoomToRow },
    { keys: "0", label: "Zoom out", group: "Timeline", run: () => setWindow(null) },
    { keys: "r", label: "Make the row the root", group: "Timeline", run: () => row >= 0 && model.hasChildren(row) && change({ root: model.ids[row] }) },
    { keys: "x", label: "Mark, to compare", group: "Timeline", run: () => toggleMark(id) },
    { keys: ".", label: "Pause or go on with live traces", group: "Everywhere", run: () => paused.set(!paused.get()) },
    { keys: "Escape", label: "Close, clear", group: "Timeline", run: escape },
    { keys: "y l", label: "Copy a link to the row", group: "Copy", run: () => copyOf("link", id, row >= 0 ? model.ids[row] : null) },
    { keys: "y j", label: "Copy the row as JSON", group: "Copy", run: () => copyOf("json", id, row >= 0 ? model.ids[row] : null) },
    { keys: "y c", label: "Copy the request as curl, or as an aws command", group: "Copy", run: () => row >= 0 && copyOf("curl", id, model.ids[row]) },
    { keys: "y p", label: "Copy Python that fetches the trace", group: "Copy", run: () => copyOf("python", id, null) },
  ];
  useKeys(bindings);
  const logs = useLogs(id, model);
  const pageful = () => Math.max(1, Math.floor((grid.current?.clientHeight ?? 300) / 28) - 1);
  const gridKeys = (event) => {
    const act = {
      ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowRight: right, ArrowLeft: left,
      PageDown: () => step(pageful()), PageUp: () => step(-pageful()),
      Home: () => lines.rows.length && select(keyOf(lines, model, 0)), End: () => lines.rows.length && select(keyOf(lines, model, lines.rows.length - 1)),
      " ": () => at >= 0 && toggle(at),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  };
  const place = found.indexOf(row);
  return html`
    <div class=${classes("timeline-view", showsDetail && "with-detail")}>
      <div class="timeline-side">
        <div class="timeline-tools">
          <label class="find"><${Icon} name="search" small /><span class="visually-hidden">Find in the trace</span>
            <input class="input" ref=${finder} type="search" placeholder="Find in the trace" value=${text}
              onInput=${(event) => change({ find: event.target.value }, { replace: true })}
              onKeyDown=${(event) => {
                if (event.key === "Enter") { event.preventDefault(); nth(found, event.shiftKey ? -1 : 1); }
                if (event.key === "Escape") { event.preventDefault(); change({ find: null }, { replace: true }); grid.current?.focus({ preventScroll: true }); }
              }} />
          </label>
          ${text ? html`<span class="small dim" role="status">${found.length ? `${place >= 0 ? `${count(place + 1)} of ` : ""}${count(found.length)}` : "none"}</span>
            <button type="button" class="icon-button small" aria-label="Match before" title="( N )" onClick=${() => nth(found, -1)}><${Icon} name="up" small /></button>
            <button type="button" class="icon-button small" aria-label="Next match" title="( n )" onClick=${() => nth(found, 1)}><${Icon} name="down" small /></button>` : null}
          ${failing.length ? html`<button type="button" class="button small" title="Next error ( e )" onClick=${() => nth(failing, 1)}><${Status} status="fault">${plural(failing.length, "error")}</${Status}></button>` : null}
          <span class="spacer" />
          <${Chips} services=${model.head.services} colours=${model.colours} />
          <button type="button" class="button small" aria-pressed=${String(showsCritical)} title="What the response waited for ( c )" onClick=${() => critical.set(showsCritical ? "off" : "on")}><${Icon} name="path" small />Critical path</button>
          <button type="button" class="icon-button small" aria-label="Expand all" title="Expand all ( [ )" onClick=${expandAll}><${Icon} name="plus" small /></button>
          <button type="button" class="icon-button small" aria-label="Collapse all" title="Collapse all ( ] )" onClick=${collapseAll}><${Icon} name="minus" small /></button>
          ${window ? html`<button type="button" class="button small" title="Zoom out ( 0 )" onClick=${() => setWindow(null)}><${Icon} name="fit" small />${duration(view[1] - view[0])}</button>` : null}
        </div>
        ${root >= 0 ? html`<div class="banner info"><span>Only <b>${model.title(root)}</b> and what is below it.</span><button type="button" class="button small" onClick=${() => change({ root: null })}>Whole trace</button></div>` : null}
        ${model.head.cut ? html`<div class="banner"><${Icon} name="warning" /><span>${count(model.length)} of ${count(model.head.total)} rows are shown; ${count(model.head.cut)} are left out.</span><button type="button" class="button small" disabled=${loading} onClick=${loadAll}>Load all</button></div>` : null}
        <${MiniMap} model=${model} view=${view} onZoom=${zoom} />
        <${Timeline} ...${{ model, lines, selected, view, collapsed, unfolded, matches, critical: showsCritical, grid, logs }}
          onSelect=${(key, open) => select(key, { open })} onToggle=${toggle} onZoom=${zoom} onKeys=${gridKeys} />
      </div>
      ${showsDetail ? html`<${Detail} traceId=${id} model=${model} row=${row} revision=${model.head.revision}
        onClose=${() => { openDetail.set("off"); grid.current?.focus({ preventScroll: true }); }} onRoot=${(each) => change({ root: each })} onSelect=${(each) => goTo(model.byId.get(each))} />` : null}
    </div>
  `;
}

/** When the log lines of each row were written, in seconds from the start. @returns {Map<number, number[]>} */
function useLogs(id, model) {
  const hasLogs = model.flags.some((flags) => flags & FLAG.logs);
  const { data } = useLoad(async (signal) => (hasLogs ? get(`traces/${part(id)}/logs`, {}, signal) : null), [id, hasLogs, model.head.revision]);
  return useMemo(() => {
    const found = new Map();
    for (const { time, row } of data ? records(data) : []) {
      if (time !== null) found.set(row, [...(found.get(row) ?? []), time - model.head.start]);
    }
    return found;
  }, [data, model]);
}

function nextOf(list, row, by, goTo) {
  if (!list.length) return;
  const at = list.indexOf(row);
  goTo(list[at < 0 ? 0 : (at + by + list.length) % list.length]);
}

function toggled(set, key) {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

function without(set, keys) {
  if (!keys.some((key) => set.has(key))) return set;
  const next = new Set(set);
  for (const key of keys) next.delete(key);
  return next;
}

/** When more of the trace arrives, what was at the top stays there. */
function useAnchor(grid, model, lines) {
  const before = useRef({ model, lines });
  useLayoutEffect(() => {
    const { model: old, lines: seen } = before.current;
    before.current = { model, lines };
    const element = grid.current;
    if (old === model || !element || element.scrollTop === 0) return;
    const height = element.firstElementChild.offsetHeight / Math.max(1, lines.rows.length);
    const top = Math.floor(element.scrollTop / height);
    const key = top < seen.rows.length ? keyOf(seen, old, top) : null;
    const now = lineOf(lines, model, key);
    if (now >= 0 && now !== top) element.scrollTop += (now - top) * height;
  });
}
