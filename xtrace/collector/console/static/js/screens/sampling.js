// Which requests are recorded: the rules in the order in which they are tried, what they did, and a place to try one.

import { classes, html, useEffect, useLoad, useState } from "../core/view.js";
import { get, xray } from "../core/api.js";
import { count, percent } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { change, usePlace } from "../core/url.js";
import { confirm, Dialog, hide, show } from "../ui/dialog.js";
import { Failure } from "../ui/empty.js";
import { Icon } from "../ui/icons.js";
import { failed, toast } from "../ui/toast.js";

const SECONDS = 10;
const DEFAULT = "Default";
const MATCHERS = [
  ["ServiceName", "Service", "The name of the service that decides, as it calls itself"],
  ["HTTPMethod", "Method", ""],
  ["URLPath", "Path", "Without host and query"],
  ["Host", "Host", ""],
  ["ServiceType", "Type", "As AWS::EC2::Instance"],
  ["ResourceARN", "Resource ARN", ""],
];

export function Sampling() {
  const { params } = usePlace();
  const { data, error, reload } = useLoad((signal) => get("sampling", {}, signal), []);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  // "Sample this path at 0", from elsewhere, arrives as parameters.
  useEffect(() => {
    if (params.get("path") && data) {
      const rule = { ...blank(data.rules), RuleName: "", URLPath: params.get("path"), HTTPMethod: params.get("method") ?? "*", FixedRate: 0, ReservoirSize: 0 };
      change({ path: null, method: null }, { replace: true });
      show(RuleDialog, { rule, isNew: true, saved: reload });
    }
  }, [data !== undefined]);
  const add = () => show(RuleDialog, { rule: blank(data.rules), isNew: true, saved: reload });
  useKeys([{ keys: "a", label: "Add a rule", group: "Sampling", run: add }]);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  return html`
    <div class="page sampling">
      <div class="page-head"><h1>Sampling</h1>
        <p class="dim">The first rule that fits a request decides. Of what fits it, so many a second are recorded for sure (the reservoir), and of the rest a share (the rate). ${data.rules.some(({ matched }) => matched > 0) ? "" : "No client has reported in the last hour: SDKs ask here for rules, unless they have their own."}</p>
        <span class="spacer" />
        <button type="button" class="button primary" onClick=${add}><${Icon} name="plus" />Add a rule</button>
      </div>
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Sampling rules">
        <table class="rules stacks">
          <caption class="visually-hidden">Sampling rules, with counts of the last hour</caption>
          <thead><tr>
            <th scope="col" class="number">Priority</th><th scope="col">Rule</th><th scope="col">Fits</th><th scope="col" class="number">Reservoir</th><th scope="col" class="number">Rate</th>
            <th scope="col" class="number" title="In the last hour">Matched</th><th scope="col" class="number">Sampled</th><th scope="col" class="number" title="Recorded before a client knew its share of the reservoir">Borrowed</th>
            <th scope="col">Last hour</th><th scope="col"><span class="visually-hidden">Change</span></th>
          </tr></thead>
          <tbody>${data.rules.map((each) => html`<${Rule} key=${each.rule.RuleName} entry=${each} reload=${reload} period=${data.period} />`)}</tbody>
        </table>
      </section>
      <${Try} modified=${data.modified} />
    </div>
  `;
}

function blank(rules) {
  const taken = rules.map(({ rule }) => rule.Priority).filter((priority) => priority < 10000);
  return {
    RuleName: "", Priority: Math.min(9999, Math.max(0, ...taken.filter((priority) => priority < 9000)) + 10), FixedRate: 0.05, ReservoirSize: 1,
    ServiceName: "*", ServiceType: "*", Host: "*", HTTPMethod: "*", URLPath: "*", ResourceARN: "*", Version: 1,
  };
}

function Rule({ entry, reload, period }) {
  const { rule } = entry;
  const isDefault = rule.RuleName === DEFAULT;
  const fits = MATCHERS.filter(([name]) => rule[name] && rule[name] !== "*");
  const remove = () => confirm({
    title: `Delete ${rule.RuleName}`, text: "What it decided is decided by the rules after it from then on.", action: "Delete",
    run: () => xray("/DeleteSamplingRule", { RuleName: rule.RuleName }).then(() => { toast(`${rule.RuleName} deleted`); reload(); }, failed),
  });
  return html`
    <tr>
      <td class="number" data-label="priority">${isDefault ? "last" : count(rule.Priority)}</td>
      <th scope="row" class="strong">${rule.RuleName}</th>
      <td class="whole">${fits.length ? fits.map(([name, title]) => html`<span class="matcher"><span class="dim">${title}</span> <code>${rule[name]}</code></span> `) : html`<span class="dim">every request</span>`}
        ${rule.Attributes && Object.keys(rule.Attributes).length ? Object.entries(rule.Attributes).map(([name, value]) => html`<span class="matcher"><span class="dim">${name}</span> <code>${value}</code></span>`) : null}</td>
      <td class="number" data-label="reservoir">${count(rule.ReservoirSize)}<span class="dim">/s</span></td>
      <td class="number" data-label="rate">${percent(rule.FixedRate)}</td>
      <td class="number" data-label="matched">${count(entry.matched)}</td>
      <td class="number" data-label="sampled"><b>${count(entry.sampled)}</b> <span class="dim">${entry.matched ? percent(entry.sampled / entry.matched) : ""}</span>
        ${entry.sampled && entry.by_reservoir !== null ? html`<div class="dim small" title="Clients tell only the sum; this is reckoned from the rate">≈ ${count(entry.by_reservoir)} reservoir, ${count(entry.by_rate)} rate</div>` : null}</td>
      <td class="number" data-label="borrowed">${count(entry.borrowed)}</td>
      <td><${Trend} series=${entry.series} period=${period} /></td>
      <td class="nowrap">
        <button type="button" class="icon-button small" aria-label="Change ${rule.RuleName}" title="Change" onClick=${() => show(RuleDialog, { rule, isNew: false, saved: reload })}><${Icon} name="edit" small /></button>
        ${isDefault ? null : html`<button type="button" class="icon-button small" aria-label="Delete ${rule.RuleName}" title="Delete" onClick=${remove}><${Icon} name="trash" small /></button>`}
      </td>
    </tr>
  `;
}

const WIDTH = 120;
const BARS = 60;

/** Matched requests in small, the sampled ones of them solid. */
function Trend({ series, period }) {
  const fold = (values) => {
    const size = Math.ceil(values.length / BARS) || 1;
    return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => values.slice(index * size, (index + 1) * size).reduce((sum, each) => sum + each, 0));
  };
  const matched = fold(series.matched);
  const sampled = fold(series.sampled);
  const most = Math.max(1, ...matched);
  const slot = WIDTH / Math.max(1, matched.length);
  const total = (values) => values.reduce((sum, each) => sum + each, 0);
  if (!total(matched)) return html`<span class="dimmer">none</span>`;
  return html`
    <svg class="sparkline" width=${WIDTH} height="22" role="img" aria-label="${total(matched)} matched and ${total(sampled)} sampled, by ${period} s">
      <line class="axis" x1="0" x2=${WIDTH} y1="21.5" y2="21.5" />
      ${matched.map((many, index) => (many ? html`
        <rect class="trend-matched" x=${index * slot} y=${21 - (many / most) * 20} width=${Math.max(0.75, slot - 0.5)} height=${(many / most) * 20} />
        ${sampled[index] ? html`<rect class="fill-plain" x=${index * slot} y=${21 - (sampled[index] / most) * 20} width=${Math.max(0.75, slot - 0.5)} height=${(sampled[index] / most) * 20} />` : null}` : null))}
    </svg>
  `;
}

function RuleDialog({ rule, isNew, saved, onClose }) {
  const [values, setValues] = useState({ ...rule });
  const [problem, setProblem] = useState("");
  const isDefault = rule.RuleName === DEFAULT;
  const put = (name, value) => setValues((before) => ({ ...before, [name]: value }));
  const save = async () => {
    const numbers = { FixedRate: Number(values.FixedRate), ReservoirSize: Number(values.ReservoirSize) };
    const matchers = Object.fromEntries(MATCHERS.map(([name]) => [name, values[name] || "*"]));
    const named = { RuleName: values.RuleName.trim() };
    try {
      if (isNew) await xray("/CreateSamplingRule", { SamplingRule: { ...named, ...numbers, ...matchers, Priority: Number(values.Priority), Version: 1 } });
      else if (isDefault) await xray("/UpdateSamplingRule", { SamplingRuleUpdate: { ...named, ...numbers } });
      else await xray("/UpdateSamplingRule", { SamplingRuleUpdate: { ...named, ...numbers, ...matchers, Priority: Number(values.Priority) } });
      hide();
      saved();
      toast(`${named.RuleName} saved; clients ask for rules every five minutes, or sooner`);
    } catch (error) {
      setProblem(error.message);
    }
  };
  const field = (name, title, props = {}) => html`
    <label class="field"><span>${title}</span><input class="input" value=${values[name]} onInput=${(event) => put(name, event.target.value)} ...${props} /></label>
  `;
  return html`
    <${Dialog} title=${isNew ? "Add a rule" : `Change ${rule.RuleName}`} onClose=${onClose} onSubmit=${save}
      footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button class="button primary">Save</button>`}>
      <div class="fields">
        ${field("RuleName", "Name", { required: true, maxLength: 32, disabled: !isNew })}
        ${isDefault ? null : field("Priority", "Priority (1 to 9999, low ones first)", { type: "number", min: 1, max: 9999, required: true })}
        ${field("ReservoirSize", "Reservoir (a second)", { type: "number", min: 0, required: true })}
        ${field("FixedRate", "Rate (0 to 1)", { type: "number", min: 0, max: 1, step: "any", required: true })}
      </div>
      ${isDefault ? html`<p class="dim">The default fits every request that no other rule does.</p>` : html`
        <h3>Fits</h3>
        <div class="fields">${MATCHERS.map(([name, title, hint]) => field(name, title, { title: hint || null }))}</div>
        <p class="dim small"><code>*</code> is any text, <code>?</code> any character.</p>
      `}
      ${problem ? html`<p class="text-fault" role="alert">${problem}</p>` : null}
    </${Dialog}>
  `;
}

const FIELDS = [["service", "Service", "shop"], ["method", "Method", "GET"], ["path", "Path", "/cart"], ["host", "Host", "shop.example"], ["type", "Type", ""], ["arn", "Resource ARN", ""]];

/** Which rule decides? */
function Try({ modified }) {
  const [request, setRequest] = useState({ service: "", method: "GET", path: "/", host: "", type: "", arn: "" });
  const [asked, setAsked] = useState(request);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(request), 250);
    return () => clearTimeout(timer);
  }, [request]);
  const { data, error } = useLoad((signal) => get("sampling/decision", asked, signal), [asked, modified]);
  return html`
    <section class="panel">
      <header><h2>Which rule decides?</h2><span class="dim">Describe a request; nothing is sent.</span></header>
      <div class="body try">
        <div class="fields">${FIELDS.map(([name, title, example]) => html`
          <label class="field"><span>${title}</span><input class="input" placeholder=${example} value=${request[name]} onInput=${(event) => setRequest({ ...request, [name]: event.target.value })} /></label>`)}</div>
        ${error ? html`<p class="text-fault">${error.message}</p>` : null}
        ${data ? html`
          <p class="decision" role="status"><b>${data.rule}</b> decides: ${count(data.reservoir)} a second, and ${percent(data.rate)} of the rest.</p>
          <ol class="decided">${data.rules.map(({ rule, matches, decides, because }) => html`
            <li class=${classes(decides && "decides", !matches && "passes")}>
              <${Icon} name=${matches ? "check" : "minus"} small /><span class="strong">${rule}</span>
              <span class="dim">${decides ? "decides" : matches ? "would fit, but comes later" : because.join("; ")}</span>
            </li>`)}</ol>
        ` : null}
      </div>
    </section>
  `;
}

