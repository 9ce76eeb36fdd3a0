// All traces that are asked for: when and how slow, grouped, and one by one, as they come.

import { classes, html, useEffect, useLatest, useLoad, useMemo, useRef, useState } from "../core/view.js";
import { get, numbered, part, send, settled } from "../core/api.js";
import { both, within } from "../core/filter.js";
import { age, briefUrl, clock, count, cut, duration, iso, percent, plural, shortId, urlParts } from "../core/format.js";
import { isLoose, useKeys } from "../core/keys.js";
import { onLive, paused } from "../core/live.js";
import { marks, toggleMark } from "../core/marks.js";
import * as ranges from "../core/range.js";
import { useRefresh } from "../core/refresh.js";
import { setting } from "../core/settings.js";
import { change, changed, go, here, href, usePlace } from "../core/url.js";
import { binTable, Chart, HeatMap, Histogram, TimeBars, timeTable } from "../ui/charts.js";
import { copy } from "../ui/copy.js";
import { confirm } from "../ui/dialog.js";
import { Empty, Failure } from "../ui/empty.js";
import { exportTraces } from "../ui/files.js";
import { Icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { Segmented } from "../ui/segmented.js";
import { fixed, useQuestion } from "../ui/querybar.js";
import { Share, Status } from "../ui/status.js";
import { failed, toast } from "../ui/toast.js";
import { listSnippet } from "../core/snippets.js";

const PAGE = 100;
/** The height of a row, and what stands above the first one, in pixels: about. */
const ROW_HEIGHT = 28;
const ABOVE_ROWS = 300;
const FEWEST_ROWS = 8;
const CHART_SECONDS = 5;
const SCROLLED = 8;
const ANNOUNCE_SECONDS = 5;
const CLOCK_SECONDS = 5;

export const FACETS = {
  url: "URL",
  http_status: "Status code",
  method: "Method",
  status: "Outcome",
  error: "Error",
  entry: "Entry point",
  service: "Service",
  type: "Type of service",
  user: "User",
  client_ip: "Client address",
  user_agent: "User agent",
  availability_zone: "Availability zone",
  instance: "Instance",
  arn: "Resource ARN",
};
export const facetName = (by) => FACETS[by] ?? by.replace(/^annotation\./, "");

const COLUMNS = [
  { by: "start", title: "When", sort: "start" },
  { by: "url", title: "Request", sort: "url" },
  { by: "http_status", title: "Status", sort: "http_status" },
  { by: "response_time", title: "Response", sort: "response_time", number: true },
  { by: "duration", title: "Duration", sort: "duration", number: true, wide: true },
  { by: "service", title: "Entry point", wide: true },
  { by: "user", title: "User", wide: true },
  { by: "annotations", title: "Annotations", number: true, wide: true },
  { by: "id", title: "Trace", wide: true },
];

export function Traces() {
  const question = useQuestion();
  const { params } = usePlace();
  const sort = params.get("sort") ?? "-start";
  const by = params.get("by") ?? "";
  const shown = setting("refiners", "off");
  const refining = shown.use() === "on";
  const list = useTraces(question, sort);
  const overview = useLoad((signal) => get("distribution", { ...question, steps: 80 }, signal), [question.filter, question.range, question.group, question.run]);
  const moves = ranges.isLive(question.range);
  useRefresh(overview.reload, CHART_SECONDS, moves);
  const search = useRef(null);

  if (list.error && !list.rows) return html`<${Failure} error=${list.error} retry=${list.reload} />`;
  if (!list.rows) return html`<div class="loading"><span class="spinner" />Looking …</div>`;
  const nothing = list.rows.length === 0 && !list.loading;
  if (nothing && !list.waiting) return html`<${Empty} hint=${list.hint} />`;
  return html`
    <div class="page wide traces" ref=${search}>
      <h1 class="visually-hidden">Traces</h1>
      <${Overview} data=${overview.data} question=${question} />
      <div class=${classes("split", refining && "with-refiners")}>
        ${refining ? html`<${Refiners} question=${question} />` : null}
        <section class="panel list">
          <${Toolbar} ...${{ list, by, sort, refining, shown, question, overview: overview.data }} />
          ${by ? html`<${Groups} by=${by} question=${question} />` : null}
          <${List} list=${list} sort=${sort} />
        </section>
      </div>
    </div>
  `;
}

// -- what is in the list --------------------------------------------------------------------------

/**
 * The rows that are asked for, and those that arrive. While the reader has scrolled, stopped, or opened
 * something, new ones wait and are counted.
 */
function useTraces(question, sort) {
  const [state, setState] = useState({ rows: null, columns: [], cursor: null, hint: null, loading: true, error: null, scanned: 0 });
  const [waiting, setWaiting] = useState([]);
  const [limit, setLimit] = useState(PAGE);
  const [turn, setTurn] = useState(0);
  const holding = useRef(false);
  const isPaused = paused.use();
  const moves = ranges.isLive(question.range);
  const latest = useRef(state);
  latest.current = state;
  const needs = [question.filter, question.range, question.group, question.run, sort];
  useEffect(() => setLimit(PAGE), needs);
  useEffect(() => {
    const controller = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    const load = async () => {
      let rows = [];
      let answer = null;
      do {
        answer = await get("traces", { ...question, sort, limit: limit - rows.length, cursor: answer?.cursor }, controller.signal);
        rows = [...rows, ...answer.rows];
        // A page may be short because looking took long; what was found is shown meanwhile.
        if (answer.cursor && rows.length < limit) setState((before) => ({ ...before, ...answer, rows, loading: true, error: null }));
      } while (answer.cursor && rows.length < limit && sort === "-start");
      setState({ ...answer, rows, loading: false, error: null });
      setWaiting([]);
    };
    load().catch((error) => error.name === "AbortError" || setState((before) => ({ ...before, loading: false, error })));
    return () => controller.abort();
  }, [...needs, limit, turn]);

  const arrive = useLatest((type, data) => {
    const now = latest.current;
    if (type === "clear") return setTurn((before) => before + 1);
    if (!now.rows || !moves) return undefined;
    if (type === "gone") {
      const gone = new Set(data.ids);
      return setState((before) => ({ ...before, rows: before.rows.filter((row) => !gone.has(row[0])) }));
    }
    if (type !== "trace" && type !== "update") return undefined;
    const known = new Map(now.rows.map((row, index) => [row[0], index]));
    const fresh = data.rows.filter((row) => !known.has(row[0]));
    const changedRows = data.rows.filter((row) => known.has(row[0]));
    if (changedRows.length) {
      setState((before) => {
        const rows = before.rows.slice();
        for (const row of changedRows) {
          const index = known.get(row[0]);
          if (rows[index]?.[0] === row[0]) rows[index] = row;
        }
        return { ...before, rows };
      });
    }
    if (!fresh.length && !data.more) return undefined;
    if (type === "update") return undefined;
    if (isPaused || holding.current || sort !== "-start") {
      return setWaiting((before) => {
        const have = new Set(before.map((row) => row[0]));
        return [...fresh.filter((row) => !have.has(row[0])), ...before].slice(0, 2000);
      });
    }
    return setState((before) => ({ ...before, rows: merged(before.rows, fresh, now.columns, limit) }));
  });
  useEffect(() => onLive(arrive), []);
  const release = () => {
    if (sort === "-start") setState((before) => ({ ...before, rows: merged(before.rows, waiting, before.columns, limit) }));
    else setTurn((before) => before + 1);
    setWaiting([]);
  };
  return {
    ...state, waiting: waiting.length, release, holding, limit,
    more: () => setLimit((before) => before + (before < 1000 ? PAGE * 2 : 1000)),
    reload: () => setTurn((before) => before + 1),
  };
}

/** Rows by their start, the newest first, each id once; the oldest go, so that the page stays as it is for days. */
function merged(rows, fresh, columns, limit) {
  const start = columns.indexOf("start");
  const have = new Set(rows.map((row) => row[0]));
  const all = [...fresh.filter((row) => !have.has(row[0])), ...rows];
  return all.sort((a, b) => b[start] - a[start]).slice(0, limit);
}

// -- the charts ------------------------------------------------------------------------------------

function Overview({ data, question }) {
  const kind = setting("overview", "heatmap");
  const chosen = kind.use();
  if (!data) return html`<div class="overview"><section class="panel chart placeholder" /><section class="panel chart placeholder" /></div>`;
  const narrow = (from, to) => change({ filter: both(question.filter, within(from, to)) });
  const time = (from, to) => change({ range: ranges.absolute(from, to) });
  const share = `${plural(data.count, "trace")}${data.complete ? "" : " so far"}`;
  return html`
    <div class="overview">
      <${Chart} title="Over time" note=${share}
        tools=${html`<${Segmented} label="Kind of chart" value=${chosen} choices=${[["heatmap", "Heat map"], ["bars", "Bars"]]} choose=${(value) => kind.set(value)} />`}
        table=${() => timeTable(data.starts, data.series)}>
        ${chosen === "heatmap"
          ? html`<${HeatMap} starts=${data.starts} step=${data.step} bounds=${data.bounds} cells=${data.heatmap} label="Traces by time and response time"
              onSelect=${({ start, end, low, high }) => change({ range: ranges.absolute(start, end), filter: both(question.filter, within(low, high)) })} />`
          : html`<${TimeBars} starts=${data.starts} step=${data.step} counts=${data.series} label="Traces by time" onSelect=${time} />`}
      </${Chart}>
      <${Chart} title="Response time" note=${data.p50 === null ? "" : html`median ${duration(data.p50)} · p95 ${duration(data.p95)} · p99 ${duration(data.p99)}`}
        table=${() => binTable(data.bounds, data.histogram)}>
        <${Histogram} bounds=${data.bounds} counts=${data.histogram} label="Traces by response time" onSelect=${narrow} />
      </${Chart}>
    </div>
  `;
}

// -- above the list ----------------------------------------------------------------------------------

function Toolbar({ list, by, sort, refining, shown, question, overview }) {
  const marked = marks.use();
  const newest = list.rows.length;
  const total = overview?.count ?? newest;
  return html`
    <header class="toolbar">
      <button type="button" class="button small" aria-pressed=${String(refining)} title="Choose values to narrow the list ( f )" onClick=${() => shown.set(refining ? "off" : "on")}><${Icon} name="filter" small />Refine</button>
      <${GroupBy} by=${by} />
      <span class="dim small" aria-live="off">${newest < total ? `${count(newest)} of ${count(total)}` : plural(newest, "trace")}${sort === "-start" ? "" : ", sorted"}</span>
      ${list.loading ? html`<span class="spinner" />` : null}
      <span class="spacer" />
      ${marked.length ? html`
        <span class="row">
          <span class="dim small">${count(marked.length)} marked</span>
          ${marked.length === 2 ? html`<a class="button small" href=${href("/compare", { a: marked[0], b: marked[1] })}><${Icon} name="compare" small />Compare</a>` : null}
          <button type="button" class="button small" onClick=${() => exportTraces({ what: plural(marked.length, "marked trace"), path: "export", params: { id: marked, range: "all" }, single: marked.length === 1 })}><${Icon} name="download" small />Save</button>
          <button type="button" class="button quiet small" onClick=${() => marks.set([])}>Unmark</button>
        </span>
      ` : null}
      <${Menu} name="More" icon="more" kind="icon-button small" side="right" items=${[
        { label: "Save these traces …", icon: "download", run: () => exportTraces({ what: "these traces", path: "export", params: { ...question, range: question.range }, total }) },
        { label: "Copy a link", icon: "link", hint: "y l", run: () => copyLink(false) },
        { label: "Copy a link with fixed times", icon: "pin", run: () => copyLink(true) },
        { label: "Copy as Python", icon: "copy", hint: "y p", run: () => copy(listSnippet(question), "Python") },
        { line: true },
        { label: "Remove all traces …", icon: "trash", danger: true, run: clear },
      ]} />
    </header>
    <${Arrived} waiting=${list.waiting} release=${list.release} />
  `;
}

function copyLink(fix) {
  const range = here().params.get("range") ?? ranges.DEFAULT;
  copy(location.origin + (fix ? changed({ range: fixed(range) }) : location.pathname + location.search), "The link");
}

function clear() {
  confirm({
    title: "Remove all traces", action: "Remove",
    text: "All traces go, and with them the map and the names. Rules, groups and alarms stay, and runs that are pinned.",
    run: () => send("DELETE", "traces").then((answer) => toast(`${plural(answer.traces, "trace")} removed${answer.kept ? `, ${answer.kept} kept` : ""}`), failed),
  });
}

/** What has arrived and isn't shown yet; said aloud now and then. */
function Arrived({ waiting, release }) {
  const [said, setSaid] = useState("");
  const last = useRef(0);
  useEffect(() => {
    if (!waiting) return setSaid("");
    const wait = Math.max(0, last.current + ANNOUNCE_SECONDS * 1000 - performance.now());
    const timer = setTimeout(() => {
      last.current = performance.now();
      setSaid(`${plural(waiting, "new trace")}`);
    }, wait);
    return () => clearTimeout(timer);
  }, [waiting > 0, Math.floor(waiting / 10)]);
  return html`
    <div class="visually-hidden" role="status" aria-live="polite">${said}</div>
    ${waiting ? html`<button type="button" class="arrived" onClick=${release}><${Icon} name="up" small />${plural(waiting, "new trace")}</button>` : null}
  `;
}

function GroupBy({ by }) {
  const question = useQuestion();
  const [wanted, setWanted] = useState(false);
  const { data } = useLoad(async (signal) => (wanted ? get("facets", { ...question, limit: 1 }, signal) : null), [wanted, question.filter, question.range, question.group, question.run]);
  const keys = (data?.facets ?? []).map((facet) => facet.by).filter((each) => each.startsWith("annotation."));
  const item = (each) => ({ label: facetName(each), checked: each === by, run: () => change({ by: each }) });
  return html`
    <${Menu} label=${by ? `By ${facetName(by)}` : "Group"} name=${by ? `Grouped by ${facetName(by)}` : "Group the traces"} kind="button small" onOpen=${() => setWanted(true)} items=${[
      { label: "Not grouped", checked: !by, run: () => change({ by: null }) },
      { line: true },
      ...Object.keys(FACETS).map(item),
      keys.length > 0 && { heading: "Annotations" },
      ...keys.map(item),
    ]} />
  `;
}

// -- groups and refiners -------------------------------------------------------------------------------

function Groups({ by, question }) {
  const { data, error, reload } = useLoad((signal) => get("facets", { ...question, by, limit: 200 }, signal), [by, question.filter, question.range, question.group, question.run]);
  useRefresh(reload, CHART_SECONDS, ranges.isLive(question.range));
  const [order, setOrder] = useState("-count");
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  const [facet] = data.facets;
  const column = numbered(facet.columns);
  const name = order.replace("-", "");
  const rows = [...facet.rows].sort((a, b) => {
    const [first, second] = order.startsWith("-") ? [b, a] : [a, b];
    const [x, y] = [first[column[name]], second[column[name]]];
    return typeof x === "string" ? x.localeCompare(y) : (x ?? -1) - (y ?? -1);
  });
  const head = (title, each, number = true) => html`
    <th scope="col" class=${number ? "number" : null} aria-sort=${name === each ? (order.startsWith("-") ? "descending" : "ascending") : null}>
      <button type="button" class="sort" onClick=${() => setOrder(order === `-${each}` ? each : `-${each}`)}>${title}</button>
    </th>
  `;
  return html`
    <div class="groups table-wrap" tabindex="0" role="region" aria-label="Traces by ${facetName(by)}">
      <table>
        <thead><tr>
          ${head(facetName(by), "value", false)}${head("Average", "average")}${head("Traces", "count")}<th scope="col">Share</th>
          ${head("OK", "ok")}${head("Throttled", "throttle")}${head("Errors", "error")}${head("Faults", "fault")}
        </tr></thead>
        <tbody>
          ${rows.map((row) => {
            const [value, many, share, average, ok, errors, throttled, faults, filter] = ["value", "count", "share", "average", "ok", "error", "throttle", "fault", "filter"].map((each) => row[column[each]]);
            return html`
              <tr>
                <th scope="row" class="facet-value">${filter ? html`<a href=${changed({ filter: both(question.filter, filter), by: null })} title="Only these: ${filter}"><${Value} by=${by} value=${value} /></a>` : html`<${Value} by=${by} value=${value} />`}</th>
                <td class="number">${duration(average)}</td>
                <td class="number">${count(many)}</td>
                <td class="nowrap"><span class="meter" aria-hidden="true"><i style=${{ width: `${share * 100}%` }} /></span> ${percent(share)}</td>
                <td class="number">${count(ok)}</td>
                <td class=${classes("number", throttled > 0 && "text-throttle")}>${count(throttled)}</td>
                <td class=${classes("number", errors > 0 && "text-error")}>${count(errors)}</td>
                <td class=${classes("number", faults > 0 && "text-fault")}>${count(faults)}</td>
              </tr>
            `;
          })}
        </tbody>
      </table>
      ${rows.length ? null : html`<p class="small dim more-values">None of these traces has a value for “${facetName(by)}”.${by === "user" ? html` A program says who it serves with <code>segment.set_user(name)</code>.` : null}</p>`}
      ${rows.length < facet.values ? html`<p class="small dim more-values">${count(facet.values - rows.length)} more values aren't shown.</p>` : null}
    </div>
  `;
}

/** A value of a facet. */
export const Value = ({ by, value }) => (by === "url" && value ? html`<${Url} url=${String(value)} />` : said(value));

const said = (value) => (value === "" ? "(empty)" : cut(String(value), 160));

function Refiners({ question }) {
  const { data, reload } = useLoad((signal) => get("facets", { ...question, limit: 8 }, signal), [question.filter, question.range, question.group, question.run]);
  useRefresh(reload, CHART_SECONDS, ranges.isLive(question.range));
  const [ticked, setTicked] = useState({});
  const chosen = Object.values(ticked).flat().length;
  if (!data) return html`<aside class="panel refiners"><div class="loading"><span class="spinner" /></div></aside>`;
  const tick = (by, filter, on) =>
    setTicked((before) => ({ ...before, [by]: on ? [...(before[by] ?? []), filter] : (before[by] ?? []).filter((each) => each !== filter) }));
  const apply = () => {
    const parts = Object.values(ticked).filter((each) => each.length).map((each) => (each.length > 1 ? `(${each.join(" OR ")})` : each[0]));
    setTicked({});
    change({ filter: both(question.filter, ...parts) });
  };
  return html`
    <aside class="panel refiners" aria-label="Refine">
      <header><h2>Refine</h2><span class="spacer" />
        <button type="button" class="button small primary" disabled=${!chosen} onClick=${apply}>Add to the filter</button>
      </header>
      <div class="body">
        ${data.facets.filter((facet) => facet.rows.length > 0).map((facet) => {
          const column = numbered(facet.columns);
          // Of one host alone, its name would only be in the way.
          const isOneHost = facet.by === "url" && new Set(facet.rows.map((row) => urlParts(String(row[column.value])).host)).size === 1;
          const short = (value) => said(isOneHost ? urlParts(value).path : facet.by === "url" ? briefUrl(value) : value);
          return html`
            <fieldset key=${facet.by}>
              <legend>${facetName(facet.by)}</legend>
              ${facet.rows.filter((row) => row[column.filter]).map((row) => {
                const filter = row[column.filter];
                const counts = [row[column.ok], row[column.error], row[column.throttle], row[column.fault]];
                return html`
                  <label class="check refiner" key=${filter}>
                    <input type="checkbox" checked=${(ticked[facet.by] ?? []).includes(filter)} onChange=${(event) => tick(facet.by, filter, event.target.checked)} />
                    <span class="clip" title=${String(row[column.value])}>${short(String(row[column.value]))}</span>
                    <${Share} counts=${counts} />
                    <span class="number dim">${count(row[column.count])}</span>
                  </label>
                `;
              })}
              ${facet.values > facet.rows.length ? html`<button type="button" class="button quiet small" onClick=${() => change({ by: facet.by })}>${count(facet.values - facet.rows.length)} more …</button>` : null}
            </fieldset>
          `;
        })}
      </div>
    </aside>
  `;
}

// -- the list ------------------------------------------------------------------------------------------

/** As many as the screen shows are drawn first; the others when those are there to be seen. */
const firstRows = () => Math.max(FEWEST_ROWS, Math.ceil((innerHeight - ABOVE_ROWS) / ROW_HEIGHT));

function List({ list, sort }) {
  const column = useMemo(() => numbered(list.columns), [list.columns]);
  const [current, setCurrent] = useState(null);
  const marked = marks.use();
  const body = useRef(null);
  const now = useClock();
  const drawn = useRef(new WeakMap());
  const [whole, setWhole] = useState(false);
  useEffect(() => void settled.then(() => setWhole(true)), []);
  const at = list.rows.findIndex((row) => row[0] === current);
  const move = (step) => {
    const next = Math.max(0, Math.min(list.rows.length - 1, at < 0 ? 0 : at + step));
    const id = list.rows[next]?.[0];
    if (!id) return;
    setCurrent(id);
    list.holding.current = next > 0;
    body.current?.rows[next]?.scrollIntoView({ block: "nearest" });
  };
  useKeys([
    { keys: "j", label: "Next trace", group: "List", run: () => move(1) },
    { keys: "k", label: "Trace before", group: "List", run: () => move(-1) },
    { keys: "ArrowDown", label: "Next trace", group: "List", hidden: true, when: isLoose, run: () => move(1) },
    { keys: "ArrowUp", label: "Trace before", group: "List", hidden: true, when: isLoose, run: () => move(-1) },
    { keys: "Enter", label: "Open", group: "List", run: () => current && go(href(`/traces/${part(current)}`)) },
    { keys: "x", label: "Mark, to compare or save", group: "List", run: () => current && toggleMark(current) },
    { keys: "f", label: "Refine", group: "List", run: () => setting("refiners", "off").set(setting("refiners", "off").get() === "on" ? "off" : "on") },
    { keys: "Escape", label: "Let go of the row", group: "List", run: () => { setCurrent(null); list.holding.current = false; } },
    { keys: "y l", label: "Copy a link", group: "Copy", run: () => copyLink(false) },
    { keys: "y p", label: "Copy as Python", group: "Copy", run: () => copy(listSnippet({ filter: here().params.get("filter") ?? "", range: here().params.get("range") ?? ranges.DEFAULT, group: here().params.get("group") ?? "" }), "Python") },
    { keys: "y c", label: "Copy the list as CSV", group: "Copy", run: () => copyCsv(list) },
  ]);
  // New rows would push what is being read out of sight.
  useEffect(() => {
    const main = document.getElementById("main");
    const look = () => {
      list.holding.current = main.scrollTop > (body.current?.offsetTop ?? 0) + SCROLLED || (current !== null && at > 0);
    };
    main.addEventListener("scroll", look, { passive: true });
    return () => main.removeEventListener("scroll", look);
  }, [current, at]);
  const order = (name) => change({ sort: sort === `-${name}` ? name : `-${name}` === "-start" ? null : `-${name}` });
  return html`
    <div class="table-wrap">
      <table class="trace-table">
        <caption class="visually-hidden">Traces</caption>
        <thead><tr>
          <th scope="col" class="mark-cell"><span class="visually-hidden">Mark</span></th>
          ${COLUMNS.map(({ title, sort: name, number, wide, hint }) => html`
            <th scope="col" class=${classes(number && "number", wide && "wide-only")} title=${hint}
              aria-sort=${name && sort.replace("-", "") === name ? (sort.startsWith("-") ? "descending" : "ascending") : null}>
              ${name ? html`<button type="button" class="sort" onClick=${() => order(name)}>${title}</button>` : title}
            </th>
          `)}
        </tr></thead>
        <tbody ref=${body}>
          ${(whole ? list.rows : list.rows.slice(0, firstRows())).map((row) => rowOf(drawn.current, { row, column, now, isCurrent: row[0] === current, isMarked: marked.includes(row[0]) }))}
        </tbody>
      </table>
    </div>
    ${list.error ? html`<p class="banner fault">${list.error.message}</p>` : null}
    ${(list.cursor || (sort !== "-start" && list.rows.length >= list.limit)) ? html`
      <div class="more"><button type="button" class="button" disabled=${list.loading} onClick=${list.more}>${list.loading ? "Looking …" : "Show more"}</button></div>
    ` : null}
  `;
}

/** The time, now and then: ages needn't be more exact. */
function useClock() {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && setNow(Date.now() / 1000), CLOCK_SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** A row, the same object for as long as nothing about it changes, so that it isn't looked at again. */
function rowOf(drawn, props) {
  const { row, now, isCurrent, isMarked } = props;
  const place = here().params.toString();
  const before = drawn.get(row);
  if (before && before.now === now && before.isCurrent === isCurrent && before.isMarked === isMarked && before.place === place) return before.made;
  const made = html`<${Row} key=${row[0]} ...${props} />`;
  drawn.set(row, { now, isCurrent, isMarked, place, made });
  return made;
}

function Row({ row, column, now, isCurrent, isMarked }) {
  const id = row[column.id];
  const status = row[column.status];
  const url = row[column.url];
  const error = row[column.error];
  const to = href(`/traces/${part(id)}`);
  const open = (event) => event.target instanceof Element && !event.target.closest("a, input") && go(to);
  return html`
    <tr class=${classes("link", isCurrent && "current")} onClick=${open}>
      <td class="mark-cell"><input type="checkbox" checked=${isMarked} aria-label="Mark ${shortId(id)}" onChange=${() => toggleMark(id)} /></td>
      <td class="nowrap dim" title=${`${clock(row[column.start], true)} (${iso(row[column.start])})`}>${age(row[column.start], now)}</td>
      <th scope="row" class="request">
        <a class="cell" href=${to}>${row[column.method] ? html`<span class="method">${row[column.method]}</span> ` : null}<${Url} url=${url} service=${row[column.service]} />${row[column.partial] && status !== "open" ? html` <span class="tag" title="Something is in progress or missing">partial</span>` : null}</a>
        ${error ? html`<span class="row-error clip" title=${error}>${cut(error, 200)}</span>` : null}
      </th>
      <td><${Status} status=${status}>${row[column.http_status] ?? (status === "open" ? "…" : "")}</${Status}></td>
      <td class="number">${duration(row[column.response_time])}</td>
      <td class="number wide-only dim">${duration(row[column.duration])}</td>
      <td class="wide-only short">${row[column.service]}</td>
      <td class="wide-only short">${row[column.user] ?? ""}</td>
      <td class="number wide-only dim">${row[column.annotations] || ""}</td>
      <td class="wide-only mono dim nowrap">${shortId(id)}</td>
    </tr>
  `;
}

/** A URL with its path in front of the eyes. */
export function Url({ url, service }) {
  if (!url) return html`<span>${service ?? "–"}</span>`;
  const found = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)(.*)$/i.exec(url);
  if (!found) return html`<span>${cut(url, 300)}</span>`;
  return html`<span title=${cut(url, 2000)}><span class="dimmer host">${found[1]}</span>${cut(found[2] || "/", 300)}</span>`;
}

/** The rows as RFC 4180 has them; what a spreadsheet would take for a formula is escaped. */
function copyCsv(list) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  const lines = [list.columns, ...list.rows].map((row) => row.map(cell).join(","));
  copy(`${lines.join("\r\n")}\r\n`, `CSV of ${plural(list.rows.length, "trace")}`);
}
