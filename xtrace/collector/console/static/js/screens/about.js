// The collector itself: where it listens, what came, what was lost, what it holds.

import { html, useEffect, useLoad, useState } from "../core/view.js";
import { get, part, send } from "../core/api.js";
import { age, bytes, clock, count, duration, percent, plural } from "../core/format.js";
import { pace } from "../core/live.js";
import { Code } from "../ui/code.js";
import { confirm, Dialog, hide, show } from "../ui/dialog.js";
import { Failure } from "../ui/empty.js";
import { exportTraces } from "../ui/files.js";
import { Icon } from "../ui/icons.js";
import { failed, toast } from "../ui/toast.js";

const SECONDS = 5;

export function About() {
  const { data, error, reload } = useLoad((signal) => get("status", {}, signal), []);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  const perSecond = pace.use();
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  const { documents, store, checks } = data;
  const lost = documents.malformed + documents.dropped + documents.lost_by_kernel;
  return html`
    <div class="page about">
      <div class="page-head"><h1>About this collector</h1><p class="dim">${data.program} ${data.version}, Python ${data.python}, SQLite ${data.sqlite}; process ${data.pid}, up for ${duration(data.time - data.started)}.</p></div>
      <div class="panels">
        <section class="panel"><header><h2>Listens on</h2></header><div class="body"><dl class="facts">
          <dt>Traces</dt><dd><code>udp ${data.udp}</code> <span class="dim">any X-Ray SDK</span></dd>
          <dt>X-Ray API</dt><dd><code>${data.url}</code> <span class="dim">boto3, the AWS CLI</span></dd>
          <dt>OTLP</dt><dd><code>${data.url}/v1/traces</code></dd>
          <dt>Prometheus</dt><dd><code>${data.url}/metrics</code></dd>
        </dl></div></section>
        <section class="panel"><header><h2>Received</h2></header><div class="body">
          <div class="figures">
            <${Figure} value=${count(documents.received)} name="documents" /><${Figure} value=${perSecond === null ? "…" : `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s`} name="now" />
          </div>
          <dl class="facts spaced">
            <dt>Stored</dt><dd>${count(documents.stored)}</dd><dt>Waiting</dt><dd>${count(documents.waiting)}</dd>
            <dt>Malformed</dt><dd class=${documents.malformed ? "text-fault" : ""}>${count(documents.malformed)}</dd>
            <dt>Dropped</dt><dd class=${documents.dropped ? "text-fault" : ""}>${count(documents.dropped)} <span class="dim">no room</span></dd>
            <dt>Lost by the kernel</dt><dd class=${documents.lost_by_kernel ? "text-fault" : ""}>${count(documents.lost_by_kernel)} <span class="dim">came faster than they were read</span></dd>
          </dl>
          <p class="small ${lost ? "text-fault" : "text-ok"}">${lost ? `${plural(lost, "document")} of ${count(documents.received + documents.lost_by_kernel)} didn't get into the store.` : "Nothing was lost."}</p>
        </div></section>
        <section class="panel"><header><h2>Holds</h2></header><div class="body">
          <div class="figures"><${Figure} value=${count(store.traces)} name="traces" /><${Figure} value=${count(store.documents)} name="documents" /><${Figure} value=${bytes(store.bytes)} name=${store.max_bytes ? `of ${bytes(store.max_bytes)}` : "no limit"} /></div>
          ${store.max_bytes ? html`<span class="meter wide" role="img" aria-label="${percent(store.bytes / store.max_bytes)} of the limit"><i style=${{ width: `${Math.min(100, (store.bytes / store.max_bytes) * 100)}%` }} /></span>` : null}
          <dl class="facts spaced">
            <dt>In</dt><dd><code>${store.name}</code>${store.name === ":memory:" ? html` <span class="dim">gone when it stops</span>` : null}</dd>
            <dt>From</dt><dd>${store.first === null ? "–" : html`<span title=${clock(store.first)}>${age(store.first, data.time)}</span> to <span title=${clock(store.last)}>${age(store.last, data.time)}</span>`}</dd>
            <dt>Kept for</dt><dd>${store.max_age ? duration(store.max_age) : "as long as there is room"}</dd>
            <dt>Gone to make room</dt><dd>${plural(store.trimmed_traces, "trace")}, ${plural(store.trimmed_documents, "document")}</dd>
            ${store.failed_traces ? html`<dt>Not compiled</dt><dd class="text-fault">${plural(store.failed_traces, "trace")}, a fault of ours</dd>` : null}
          </dl>
          <div class="row wrap">
            <button type="button" class="button" onClick=${() => exportTraces({ what: "all traces", path: "export", params: { range: "all", limit: 100000 } })}><${Icon} name="download" />Save all</button>
            <button type="button" class="button danger" onClick=${() => clear(reload)}><${Icon} name="trash" />Remove all</button>
          </div>
        </div></section>
        <section class="panel"><header><h2>What X-Ray would say</h2></header><div class="body">
          <p>${checks.checked ? html`Of ${plural(checks.checked, "document")} that were checked, X-Ray would reject <b class=${checks.rejected ? "text-fault" : "text-ok"}>${count(checks.rejected)}</b>.` : "Nothing has been checked yet."}</p>
          ${Object.keys(checks.codes).length ? html`<dl class="facts">${Object.entries(checks.codes).map(([code, many]) => html`<dt>${CHECKS[code] ?? code}</dt><dd>${count(many)}</dd>`)}</dl>
            <p class="dim small">Of one trace, and why: <code>xtrace show --check TRACE_ID</code></p>` : null}
        </div></section>
      </div>
      <${Runs} />
      ${data.malformed_documents.length ? html`
        <section class="panel"><header><h2>Documents that couldn't be read</h2><span class="dim">the last ones, and how they begin</span></header><div class="body stack">
          ${data.malformed_documents.slice(-10).reverse().map((each) => html`<div class="stack"><p><b>${each.code}</b> ${each.message} <span class="dim" title=${clock(each.time)}>${each.time ? age(each.time, data.time) : ""}</span></p><${Code} text=${each.beginning} what="The beginning" /></div>`)}
        </div></section>` : null}
      <p class="dim small">Drawn with <a href="https://preactjs.com" target="_blank" rel="noreferrer">Preact</a>, htm and dagre, which come along with their licences. No page of this console asks anything of any other address.</p>
    </div>
  `;
}

/** Codes that don't speak for themselves. */
const CHECKS = { missing: "lack a member", type: "of another type", unknown: "unknown members" };

const Figure = ({ value, name }) => html`<div class="figure-box"><b>${value}</b><span>${name}</span></div>`;

function clear(reload) {
  confirm({
    title: "Remove all traces", action: "Remove",
    text: "All traces go, and with them the map and the names. Rules, groups and alarms stay, and runs that are pinned.",
    run: () => send("DELETE", "traces").then((answer) => { toast(`${plural(answer.traces, "trace")} removed`); reload(); }, failed),
  });
}

function Runs() {
  const { data, reload } = useLoad((signal) => get("runs", {}, signal), []);
  if (!data) return null;
  const act = (promise) => promise.then(reload, failed);
  return html`
    <section class="panel">
      <header><h2>Runs</h2><span class="dim">what came under a name, to be compared: before a change, after it</span><span class="spacer" />
        ${data.current ? html`<span class="tag ok">now: ${data.current}</span><button type="button" class="button small" onClick=${() => act(send("POST", "runs", { name: null }))}>End it</button>` : null}
        <button type="button" class="button small" onClick=${() => show(RunDialog, { saved: reload })}><${Icon} name="plus" small />Begin a run</button></header>
      ${data.runs.length ? html`
        <div class="table-wrap"><table><thead><tr><th scope="col">Name</th><th scope="col">Begun</th><th scope="col" class="number">Traces</th><th scope="col"><span class="visually-hidden">Change</span></th></tr></thead>
          <tbody>${data.runs.map((run) => html`
            <tr><th scope="row" class="strong">${run.name}${run.pinned ? html` <span class="tag">pinned</span>` : null}</th><td title=${clock(run.begun)}>${age(run.begun, Date.now() / 1000)}</td><td class="number">${count(run.traces)}</td>
              <td><span class="row end"><button type="button" class="button small" aria-pressed=${String(run.pinned)} onClick=${() => act(send("PATCH", `runs/${part(run.name)}`, { pinned: !run.pinned }))}>${run.pinned ? "Unpin" : "Pin"}</button>
                <button type="button" class="button small danger" onClick=${() => confirm({ title: `Remove ${run.name}`, text: "The run and its traces go.", action: "Remove", run: () => act(send("DELETE", `runs/${part(run.name)}`)) })}>Remove</button></span></td></tr>`)}</tbody></table></div>` : html`<p class="body dim">None. Begin one here, or with <code>xtrace collector --run NAME</code>.</p>`}
    </section>
  `;
}

function RunDialog({ saved, onClose }) {
  const [name, setName] = useState("");
  const save = () => send("POST", "runs", { name: name.trim() }).then(() => { hide(); saved(); toast(`Run ${name} begins`); }, failed);
  return html`
    <${Dialog} title="Begin a run" onClose=${onClose} onSubmit=${save} footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button class="button primary">Begin</button>`}>
      <p class="dim">Traces that are received from now on belong to it.</p>
      <label class="field"><span>Name</span><input class="input" required maxlength="100" value=${name} onInput=${(event) => setName(event.target.value)} /></label>
    </${Dialog}>
  `;
}
