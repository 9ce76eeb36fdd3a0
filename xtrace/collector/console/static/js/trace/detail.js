// What stands behind a row of the timeline.

import { html, useEffect, useLoad, useState } from "../core/view.js";
import { get, part } from "../core/api.js";
import { clock, duration, iso, percent, plural } from "../core/format.js";
import { quoted } from "../core/filter.js";
import { setting } from "../core/settings.js";
import { href } from "../core/url.js";
import { traceSnippet } from "../core/snippets.js";
import { Code } from "../ui/code.js";
import { copy, CopyButton } from "../ui/copy.js";
import { Icon } from "../ui/icons.js";
import { Json } from "../ui/json.js";
import { Menu } from "../ui/menu.js";
import { Status } from "../ui/status.js";
import { Tabs } from "../ui/tabs.js";
import { failed } from "../ui/toast.js";
import { FLAG } from "./model.js";

const KINDS = ["Segment", "Subsegment", "Inferred segment"];
const RESOURCES = ["origin", "resource_arn", "aws", "service", "links"];

/** Fetch what stands behind a row. */
export const entity = (traceId, id, signal) => get(`traces/${part(traceId)}/entities/${part(id)}`, {}, signal);

/** What can be copied of a row. kind: "json", "curl", "aws", "link" or "python". */
export async function copyOf(kind, traceId, id) {
  try {
    if (kind === "link") {
      const link = new URL(href(`/traces/${part(traceId)}`, { row: id }, []), location.origin);
      return await copy(String(link), "The link");
    }
    if (kind === "python") return await copy(traceSnippet(traceId), "Python");
    if (!id) {
      const { documents } = await get(`traces/${part(traceId)}/raw`);
      return await copy(documents.join("\n"), "The documents");
    }
    const found = await entity(traceId, id);
    if (kind === "json") return await copy(JSON.stringify(found.document, null, 2), "JSON");
    const text = found.copy.aws ?? found.copy.curl;
    if (!text) throw new Error("This row describes no HTTP request or AWS call that could be repeated.");
    return await copy(text, found.copy.aws ? "The aws command" : "The curl command");
  } catch (error) {
    return failed(error);
  }
}

/** @param {{traceId: string, model: import("./model.js").TraceModel, row: number, revision: number, onClose: () => void, onRoot: (id: string) => void, onSelect: (id: string) => void}} props */
export function Detail({ traceId, model, row, revision, onClose, onRoot, onSelect }) {
  const id = model.ids[row];
  const kept = setting("detail", "overview");
  const chosen = kept.use();
  const [settled, setSettled] = useState(id);
  // Walking through rows fetches only those where one stays.
  useEffect(() => {
    const timer = setTimeout(() => setSettled(id), 60);
    return () => clearTimeout(timer);
  }, [id]);
  const { data, error } = useLoad((signal) => entity(traceId, settled, signal).then((answer) => ({ ...answer, asked: settled })), [traceId, settled, revision]);
  const found = data?.asked === id ? data : null;
  const status = model.status(row);
  const tabs = found ? tabsOf(found) : [{ id: "overview", name: "Overview" }];
  const tab = tabs.some((each) => each.id === chosen) ? chosen : "overview";
  return html`
    <aside class="detail" aria-label="Details of ${model.title(row)}">
      <header>
        <i class="swatch fill-${model.colour(row)}" aria-hidden="true" />
        <div class="detail-title">
          <h2>${model.names[row]}</h2>
          <p class="dim small">${KINDS[model.kind[row]]} of ${model.serviceName(row)}</p>
        </div>
        <span class="spacer" />
        <${Menu} name="Copy" icon="copy" kind="icon-button" side="right" items=${[
          { label: "Link to this row", hint: "y l", icon: "link", run: () => copyOf("link", traceId, id) },
          { label: "JSON, as received", hint: "y j", run: () => copyOf("json", traceId, id) },
          { label: found?.copy.aws ? "aws command" : "curl command", hint: "y c", run: () => copyOf("curl", traceId, id) },
          { label: "Python that fetches the trace", hint: "y p", run: () => copyOf("python", traceId, id) },
        ]} />
        ${model.hasChildren(row) ? html`<button type="button" class="icon-button" aria-label="Show only this and what is below ( r )" title="Show only this and what is below ( r )" onClick=${() => onRoot(id)}><${Icon} name="filter" /></button>` : null}
        <button type="button" class="icon-button" aria-label="Close the details" title="Close ( Esc )" onClick=${onClose}><${Icon} name="close" /></button>
      </header>
      <${Tabs} label="Details" tabs=${tabs} chosen=${tab} choose=${(next) => kept.set(next)} panel="detail-panel" />
      <div class="detail-body" id="detail-panel" role="tabpanel" aria-labelledby="detail-panel-${tab}" tabindex="0">
        ${error ? html`<p class="banner fault">${error.message}</p>` : null}
        ${tab === "overview" ? html`<${Overview} ...${{ model, row, status, found, onSelect, show: (next) => kept.set(next) }} />` : null}
        ${found && tab !== "overview" ? html`<${Part} tab=${tab} found=${found} />` : null}
      </div>
    </aside>
  `;
}

const size = (value) => (value && typeof value === "object" ? Object.keys(value).length : 0);

function tabsOf({ document, exceptions, logs, sql }) {
  const metadata = Object.values(document.metadata && typeof document.metadata === "object" ? document.metadata : {});
  return [
    { id: "overview", name: "Overview" },
    sql && { id: "sql", name: "SQL" },
    exceptions.length > 0 && { id: "exceptions", name: "Exceptions", count: exceptions.length },
    logs.length > 0 && { id: "logs", name: "Logs", count: logs.length },
    { id: "annotations", name: "Annotations", count: size(document.annotations) },
    { id: "metadata", name: "Metadata", count: metadata.reduce((sum, each) => sum + Math.max(1, size(each)), 0) },
    RESOURCES.some((name) => document[name] !== undefined) && { id: "resources", name: "Resources" },
    { id: "raw", name: "Raw" },
  ].filter(Boolean);
}

function Part({ tab, found }) {
  const { document, exceptions, logs, sql } = found;
  if (tab === "sql") return html`<${Sql} sql=${sql} />`;
  if (tab === "exceptions") return html`<${Exceptions} exceptions=${exceptions} directory=${document.cause?.working_directory} />`;
  if (tab === "logs") return html`<${Lines} logs=${logs} />`;
  if (tab === "annotations") return html`<${Annotations} annotations=${document.annotations} />`;
  if (tab === "metadata") {
    if (!size(document.metadata)) return html`<p class="dim">No metadata. <code>put_metadata(key, value)</code> adds what can't be searched for, of any size and shape.</p>`;
    return html`<${Json} value=${document.metadata} />`;
  }
  if (tab === "resources") return html`<${Json} value=${Object.fromEntries(RESOURCES.filter((name) => document[name] !== undefined).map((name) => [name, document[name]]))} />`;
  return html`<${Code} text=${JSON.stringify(document, null, 2)} what="The document" />`;
}

const Fact = ({ name, children, hint }) => html`<dt title=${hint}>${name}</dt><dd>${children}</dd>`;

function Overview({ model, row, status, found, onSelect, show }) {
  const { document } = found ?? {};
  const request = document?.http?.request ?? {};
  const response = document?.http?.response ?? {};
  const parent = model.parent[row];
  const gap = model.gaps.get(row);
  const start = model.head.start + model.start[row];
  const failure = found?.exceptions[0];
  const text = (value) => (value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  return html`
    ${failure ? html`
      <button type="button" class="failure-card" onClick=${() => show("exceptions")}>
        <b>${failure.type ?? "Exception"}</b><span>${failure.message}</span>
        ${failure.stack?.length ? html`<code>${placeOf(failure.stack.find((frame) => frame.own) ?? failure.stack[0])}</code>` : null}
      </button>
    ` : null}
    <dl class="facts">
      <${Fact} name="Status"><${Status} status=${status}>${{ ok: "OK", error: "Error", throttle: "Throttled", fault: "Fault", open: "In progress" }[status]}${model.http[row] ? ` (${model.http[row]})` : ""}</${Status}></${Fact}>
      <${Fact} name="Duration">${Number.isNaN(model.duration[row]) ? "in progress" : duration(model.duration[row])}
        ${model.span > 0 && !Number.isNaN(model.duration[row]) ? html` <span class="dim">${percent(model.duration[row] / model.span)} of the trace</span>` : null}</${Fact}>
      <${Fact} name="Self time" hint="Its duration less the time in which anything below it was going on">${duration(model.self[row])} <span class="dim">without what is below it</span></${Fact}>
      <${Fact} name="Began"><span title=${iso(start)}>${clock(start, true)}</span> <span class="dim">${duration(model.start[row])} into the trace</span></${Fact}>
      ${gap ? html`<${Fact} name="On the way" hint="Between caller and called service">${duration(gap.before)} before${gap.after === null ? "" : ` and ${duration(gap.after)} after`} ${model.serviceName(gap.callee)}, which took ${duration(model.duration[gap.callee])}</${Fact}>` : null}
      ${model.flags[row] & FLAG.skewed ? html`<${Fact} name="Clocks"><span class="text-error">It begins before its caller: the clocks differ.</span></${Fact}>` : null}
      ${request.method || request.url ? html`<${Fact} name="Request"><span class="strong">${text(request.method)}</span> ${text(request.url)}</${Fact}>` : null}
      ${response.status !== undefined ? html`<${Fact} name="Response">${text(response.status)}${response.content_length !== undefined ? html` <span class="dim">${text(response.content_length)} bytes</span>` : null}</${Fact}>` : null}
      ${request.client_ip ? html`<${Fact} name="Client">${text(request.client_ip)}</${Fact}>` : null}
      ${request.user_agent ? html`<${Fact} name="User agent">${text(request.user_agent)}</${Fact}>` : null}
      ${document?.user ? html`<${Fact} name="User">${text(document.user)}</${Fact}>` : null}
      ${document?.aws?.operation ? html`<${Fact} name="AWS">${text(document.aws.operation)}${["table_name", "queue_url", "function_name", "bucket_name", "topic_arn"].filter((name) => document.aws[name]).map((name) => html` <span class="dim">${text(document.aws[name])}</span>`)}</${Fact}>` : null}
      ${document?.namespace ? html`<${Fact} name="Namespace">${text(document.namespace)}</${Fact}>` : null}
      <${Fact} name="Id"><code>${model.ids[row]}</code> <${CopyButton} text=${model.ids[row]} what="The id" /></${Fact}>
      ${parent >= 0 ? html`<${Fact} name="Under"><button type="button" class="link-button" onClick=${() => onSelect(model.ids[parent])}>${model.names[parent]}</button></${Fact}>` : null}
    </dl>
    <p class="small"><a href=${href("/traces", { filter: `service(${quoted(model.serviceName(row))})` }, ["range", "group", "run"])}>Traces through ${model.serviceName(row)}</a></p>
    ${found && size(document.annotations) ? html`<h3>Annotations</h3><${Annotations} annotations=${document.annotations} />` : null}
  `;
}

function Annotations({ annotations }) {
  if (!size(annotations)) return html`<p class="dim">No annotations. <code>put_annotation(key, value)</code> adds what traces can be found by.</p>`;
  return html`
    <dl class="facts">
      ${Object.entries(annotations).map(([key, value]) => html`
        <${Fact} name=${key}>
          <a href=${href("/traces", { filter: annotationFilter(key, value) }, ["range", "group", "run"])} title="Traces with this">${String(value)}</a>
          ${typeof value === "string" ? null : html` <span class="dimmer small">${typeof value}</span>`}
        </${Fact}>
      `)}
    </dl>
  `;
}

function annotationFilter(key, value) {
  const keyword = /^\w+$/.test(key) ? `annotation.${key}` : `annotation[${key}]`;
  return `${keyword} = ${typeof value === "string" ? quoted(value) : String(value)}`;
}

const placeOf = ({ path, line, label }) => `${path ?? "?"}${line === null || line === undefined ? "" : `:${line}`}${label ? ` ${label}` : ""}`;

export function Exceptions({ exceptions, directory }) {
  const causes = new Set(exceptions.map(({ cause }) => cause).filter((cause) => cause !== null && cause !== undefined));
  return exceptions.map((exception, index) => html`
    <section class="exception" key=${index}>
      ${causes.has(index) ? html`<p class="dim small">caused by</p>` : null}
      <h3 class="text-fault">${exception.type ?? "Exception"}</h3>
      <p class="exception-message">${exception.message}</p>
      ${exception.remote ? html`<p class="small"><span class="tag">remote</span> raised by what was called</p>` : null}
      ${exception.stack?.length ? html`
        <ol class="frames">
          ${exception.stack.map((frame) => html`
            <li class=${frame.own ? "own" : "foreign"}><code><b>${frame.label ?? "?"}</b> <span>${frame.path ?? "?"}${frame.line === null || frame.line === undefined ? "" : `:${frame.line}`}</span></code></li>
          `)}
        </ol>
      ` : null}
      ${exception.truncated ? html`<p class="dim small">${plural(exception.truncated, "frame")} left out when it was recorded</p>` : null}
      ${exception.skipped ? html`<p class="dim small">${plural(exception.skipped, "exception")} left out when it was recorded</p>` : null}
      ${exception.stack?.length ? html`<button type="button" class="button quiet small" onClick=${() => copy(traceback(exception), "The stack")}><${Icon} name="copy" small />Copy</button>` : null}
    </section>
  `).concat(directory ? html`<p class="dim small">in ${String(directory)}</p>` : null);
}

const traceback = ({ type, message, stack }) => `${type}: ${message}\n${stack.map((frame) => `  at ${placeOf(frame)}`).join("\n")}`;

function Sql({ sql }) {
  return html`
    <${Code} text=${sql.formatted ?? sql.text} what="The statement" language="sql" />
    <dl class="facts">
      ${Object.entries(sql).filter(([name, value]) => !["text", "formatted"].includes(name) && value).map(([name, value]) => html`<${Fact} name=${name.replace(/_/g, " ")}>${String(value)}</${Fact}>`)}
    </dl>
  `;
}

export const Lines = ({ logs }) => html`
  <ol class="log-lines">
    ${logs.map((line) => html`
      <li class="log-${String(line.level ?? "").toLowerCase()}">
        ${line.time === null ? null : html`<span class="dim nowrap mono" title=${iso(line.time)}>${clock(line.time, true)}</span>`} <span class="log-level">${line.level ?? ""}</span> <span>${line.message}</span>
        ${line.logger ? html` <span class="dimmer">${line.logger}</span>` : null}
      </li>
    `)}
  </ol>
`;

