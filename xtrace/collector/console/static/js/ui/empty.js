// When there is nothing to show: why, and what to do about it.

import { html, useLoad, useState } from "../core/view.js";
import { get, part, send } from "../core/api.js";
import { age, plural } from "../core/format.js";
import * as ranges from "../core/range.js";
import { change, changed, go, href } from "../core/url.js";
import { Code } from "./code.js";
import { openFiles } from "./files.js";
import { Icon } from "./icons.js";
import { useQuestion } from "./querybar.js";
import { failed } from "./toast.js";

/** @param {{hint?: {filter: string, text: string, example: string} | null, what?: string}} props */
export function Empty({ hint, what = "traces" }) {
  const question = useQuestion();
  const { data: status } = useLoad((signal) => get("status", {}, signal), [question.filter, question.range]);
  if (!status) return html`<div class="loading"><span class="spinner" /></div>`;
  if (status.store.traces === 0) return html`<${FirstTrace} status=${status} />`;
  const now = status.time;
  const { first, last } = status.store;
  const beyond = last !== null && question.range !== "all" && last < now - 1;
  return html`
    <div class="notice center">
      <h1>No ${what} here</h1>
      ${hint ? html`
        <p>${hint.text}</p>
        <a class="button primary" href=${changed({ filter: hint.filter })}><code>${hint.filter}</code></a>
      ` : html`
        <p class="dim">
          ${question.filter || question.group || question.run ? "Nothing that is asked for" : "Nothing"} in “${ranges.name(question.range)}”.
          ${" "}${plural(status.store.traces, "trace")} ${status.store.traces === 1 ? "is" : "are"} stored${last === null ? "" : `, the newest ${age(last, now)}`}.
        </p>
      `}
      <div class="row wrap">
        ${question.filter ? html`<button type="button" class="button" onClick=${() => change({ filter: null })}>Clear the filter</button>` : null}
        ${question.group ? html`<button type="button" class="button" onClick=${() => change({ group: null })}>All groups</button>` : null}
        ${question.run ? html`<button type="button" class="button" onClick=${() => change({ run: null })}>All runs</button>` : null}
        ${beyond && !question.filter ? html`<button type="button" class="button primary" onClick=${() => change({ range: first < now - 86400 * 7 ? "all" : reaching(now - last) })}>Show the newest</button>` : null}
        ${question.range === "all" ? null : html`<button type="button" class="button" onClick=${() => change({ range: "all" })}>Look at all times</button>`}
      </div>
    </div>
  `;
}

/** The shortest choice that reaches back so many seconds. */
function reaching(seconds) {
  if (seconds < 3500) return "PT1H";
  if (seconds < 21000) return "PT6H";
  return seconds < 86000 ? "P1D" : "P7D";
}

const LINE = (address) => `pip install xtrace
export AWS_XRAY_DAEMON_ADDRESS=${address}`;

const CODE = `import xtrace

xtrace.configure(service="shop", sampling=False)
xtrace.patch_all()  # requests, Flask, databases: whatever you use

with xtrace.in_segment() as segment:
    segment.put_annotation("product", "tea")`;

const COMMAND = "xtrace run python app.py";

function FirstTrace({ status }) {
  const [sending, setSending] = useState(false);
  const test = async () => {
    setSending(true);
    try {
      const { trace_id: id } = await send("POST", "test-trace", {});
      go(href(`/traces/${part(id)}`, {}, []));
    } catch (error) {
      failed(error);
      setSending(false);
    }
  };
  return html`
    <div class="notice first-trace">
      <h1>Waiting for the first trace</h1>
      <p class="dim">
        The collector listens on <code>${status.udp}</code>, where any X-Ray SDK sends by itself. This page shows
        what arrives at once; nothing has to be reloaded.
      </p>
      <ol class="steps">
        <li><h2>Install it, and say where to send</h2><${Code} text=${LINE(status.udp)} what="The commands" /></li>
        <li><h2>Record something</h2><${Code} text=${CODE} what="The program" /></li>
        <li><h2>Or change nothing</h2><p class="dim">What the program uses is traced as it is: web frameworks, HTTP clients, databases, AWS.</p><${Code} text=${COMMAND} what="The command" /></li>
      </ol>
      <div class="row wrap">
        <button type="button" class="button primary" disabled=${sending} onClick=${test}><${Icon} name="play" />Send a test trace</button>
        <button type="button" class="button" onClick=${() => openFiles()}><${Icon} name="upload" />Open a trace file</button>
        <span class="dimmer">or drop one here</span>
      </div>
    </div>
  `;
}

/** What went wrong with a question, in place of its answer. */
export const Failure = ({ error, retry }) => html`
  <div class="notice center" role="alert">
    <h1>${error.parameter === "filter" ? "This filter can't be read" : "That didn't work"}</h1>
    <p class="dim">${error.message.replace(/^filter: /, "")}</p>
    ${retry && error.parameter !== "filter" ? html`<button type="button" class="button" onClick=${retry}><${Icon} name="refresh" />Try again</button>` : null}
  </div>
`;
