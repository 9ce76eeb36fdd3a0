// Trace files in and out.

import { html, useState } from "../core/view.js";
import { address, part, send } from "../core/api.js";
import { bytes, count, plural } from "../core/format.js";
import * as ranges from "../core/range.js";
import { go, href } from "../core/url.js";
import { Dialog, hide, show } from "./dialog.js";
import { toast } from "./toast.js";

const LIMIT = 100_000_000;

/** Open files: those given, or those that are chosen. @param {File[]} [files] */
export function openFiles(files) {
  if (files) {
    show(Opening, { files });
    return;
  }
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.accept = ".json,.gz,.ndjson,.jsonl,.xtrace";
  input.hidden = true;
  input.addEventListener("change", () => {
    input.remove();
    if (input.files.length) show(Opening, { files: [...input.files] });
  });
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input);
  input.click();
}

function Opening({ files, onClose }) {
  const [state, setState] = useState({ begun: false, done: [], failures: [] });
  const large = files.filter((file) => file.size > LIMIT);
  const start = async () => {
    const done = [];
    const failures = large.map((file) => `${file.name} has ${bytes(file.size)}; at most ${bytes(LIMIT)} can be opened.`);
    setState({ begun: true, done, failures });
    for (const file of files.filter((each) => each.size <= LIMIT)) {
      try {
        done.push(await send("POST", "import", file));
      } catch (error) {
        failures.push(`${file.name}: ${error.message}`);
      }
    }
    const problems = done.flatMap((each) => each.problems ?? []);
    if (failures.length || problems.length) {
      setState({ begun: true, done, failures: [...failures, ...problems.slice(0, 10).map((each) => each.message)] });
    } else {
      hide();
    }
    arrived(done);
  };
  const total = files.reduce((sum, file) => sum + file.size, 0);
  return html`
    <${Dialog} title=${state.begun ? "Opened" : `Open ${files.length === 1 ? files[0].name : plural(files.length, "file")}`} onClose=${onClose} onSubmit=${state.begun ? onClose : start}
      footer=${state.begun
        ? html`<button class="button primary" autofocus>Close</button>`
        : html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button class="button primary" autofocus>Open</button>`}>
      ${state.begun ? html`
        ${state.failures.length ? html`<ul class="stack">${state.failures.map((text) => html`<li class="text-fault">${text}</li>`)}</ul>` : html`<p class="dim">Reading …</p>`}
      ` : html`
        <p>${bytes(total)} of traces come beside those that are stored.</p>
        ${large.length ? html`<p class="text-error">${large.map((file) => file.name).join(", ")}: more than ${bytes(LIMIT)} can't be opened.</p>` : null}
      `}
    </${Dialog}>
  `;
}

/** Show what was opened. */
function arrived(answers) {
  const traces = answers.reduce((sum, each) => sum + each.traces, 0);
  const known = answers.reduce((sum, each) => sum + each.known, 0);
  if (!traces) return;
  const news = `${plural(traces, "trace")} opened${known ? `, ${plural(known, "document")} known already` : ""}`;
  const ids = answers.flatMap((each) => each.trace_ids);
  if (traces === 1 && ids.length) {
    go(href(`/traces/${part(ids[0])}`));
  } else {
    const first = Math.min(...answers.map((each) => each.first).filter((time) => time !== null));
    const last = Math.max(...answers.map((each) => each.last).filter((time) => time !== null));
    go(href("/traces", { filter: null, range: Number.isFinite(first) ? ranges.absolute(Math.floor(first), Math.ceil(last) + 1) : "all" }));
  }
  toast(news);
}

// -- out ---------------------------------------------------------------------------------------------

const LEFT_OUT = [
  ["metadata", "Metadata"],
  ["sql", "Texts of SQL statements"],
  ["client_ip", "Addresses of clients"],
  ["user", "Users"],
];
const FORMATS = [
  ["json", "Trace file (.xtrace.json)", "opens here, and wherever BatchGetTraces is understood"],
  ["ndjson", "Documents, one a line", "for jq and the like"],
  ["csv", "CSV", "for spreadsheets"],
  ["html", "Report (.html)", "one page that opens anywhere, without this console"],
];

/**
 * Ask how, and save.
 * @param {{what: string, path: string, params?: Record<string, any>, single?: boolean, total?: number}} props
 * single: of one trace, which may be a report.
 */
export const exportTraces = (props) => show(Export, props);

function Export({ what, path, params = {}, single = false, total, onClose }) {
  const [format, setFormat] = useState("json");
  const [gzip, setGzip] = useState(false);
  const [out, setOut] = useState([]);
  const link = address(`/api/v1/${path}`, { ...params, format, gzip: gzip && format !== "html" ? "true" : null, redact: out.join(",") });
  return html`
    <${Dialog} title="Save ${what}" onClose=${onClose}
      footer=${html`
        <button type="button" class="button" onClick=${onClose}>Cancel</button>
        <a class="button primary" href=${link} download="" autofocus onClick=${() => setTimeout(hide, 50)}>Save</a>
      `}>
      <fieldset class="stack">
        <legend class="visually-hidden">Format</legend>
        ${FORMATS.filter(([name]) => single || name !== "html").map(([name, label, hint]) => html`
          <label class="check"><input type="radio" name="format" checked=${format === name} onChange=${() => setFormat(name)} /><span>${label} <span class="dimmer">${hint}</span></span></label>
        `)}
      </fieldset>
      <hr />
      <fieldset class="stack">
        <legend class="strong">Leave out</legend>
        <div class="row wrap">${LEFT_OUT.map(([name, label]) => html`
          <label class="check"><input type="checkbox" checked=${out.includes(name)} onChange=${(event) => setOut(event.target.checked ? [...out, name] : out.filter((each) => each !== name))} />${label}</label>
        `)}</div>
      </fieldset>
      ${format === "html" ? null : html`<label class="check"><input type="checkbox" checked=${gzip} onChange=${(event) => setGzip(event.target.checked)} />Compress it (gzip)</label>`}
      ${total > 1000 && !params.limit ? html`<p class="text-error">The newest 1,000 of ${count(total)} are saved.</p>` : null}
    </${Dialog}>
  `;
}
