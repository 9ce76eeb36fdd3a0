// Thresholds of nodes: which are passed, since when, and how it came.

import { html, useEffect, useLoad, useState } from "../core/view.js";
import { get, send } from "../core/api.js";
import { quoted, inside } from "../core/filter.js";
import { age, clock, count, duration, number, plural } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { href } from "../core/url.js";
import { Sparkline } from "../ui/charts.js";
import { confirm, Dialog, hide, show } from "../ui/dialog.js";
import { Failure } from "../ui/empty.js";
import { Icon } from "../ui/icons.js";
import { failed, toast } from "../ui/toast.js";

const SECONDS = 15;
const METRICS = { response_time: "Response time", fault_percent: "Faults", error_percent: "Errors", throttle_percent: "Throttled" };
const CONDITIONS = { fault_percent: "fault", error_percent: "error", throttle_percent: "throttle" };
const WORDS = { ALARM: "Alarm", OK: "OK", INSUFFICIENT_DATA: "No data" };
const TAGS = { ALARM: "fault", OK: "ok", INSUFFICIENT_DATA: "" };
const SHOWN_CHANGES = 100;

/** Periods that the small charts have room for. */
const SHOWN_PERIODS = 15;

const value = (metric, each) => (each === null ? "–" : metric === "response_time" ? duration(each) : `${number(each)} %`);

/** The last periods; before the first there was nothing. */
const course = (periods) => [...Array(Math.max(0, SHOWN_PERIODS - periods.length)).fill(0), ...periods.map((each) => each.value ?? 0)];

export function AlarmsScreen() {
  const { data, error, reload } = useLoad((signal) => get("alarms", {}, signal), []);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  const add = () => data?.editable && show(ThresholdDialog, { thresholds: data.thresholds, place: null, saved: reload });
  useKeys([{ keys: "a", label: "Add thresholds", group: "Alarms", run: add }]);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  const { thresholds } = data;
  const none = !thresholds.nodes.length && !Object.keys(thresholds.default).length;
  const raised = data.alarms.filter(({ state }) => state === "ALARM").length;
  const now = Date.now() / 1000;
  return html`
    <div class="page">
      <div class="page-head"><h1>Alarms</h1><p class="dim">${none ? "An alarm tells when a node of the map gets slow, or fails too often." : html`${raised ? html`<b class="text-fault">${plural(raised, "alarm")} raised</b>` : "None is raised"} of ${plural(data.alarms.length, "threshold")}.${data.unwatched ? ` ${plural(data.unwatched, "node")} had no room.` : ""}${data.failures ? ` ${plural(data.failures, "evaluation")} failed: ${data.last_error}.` : ""}`}</p>
        <span class="spacer" />
        ${data.editable ? html`<button type="button" class="button primary" onClick=${add}><${Icon} name="plus" />Add thresholds</button>` : null}
      </div>
      ${data.alarms.length ? html`
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Alarms">
        <table class="stacks">
          <thead><tr><th scope="col">State</th><th scope="col">Node</th><th scope="col">What</th><th scope="col" class="number">Value</th><th scope="col" class="number">Threshold</th><th scope="col">When</th><th scope="col">Since</th><th scope="col">Last periods</th></tr></thead>
          <tbody>${data.alarms.map((alarm) => html`
            <tr key="${alarm.node.name} ${alarm.node.type} ${alarm.metric}">
              <td><span class="tag ${TAGS[alarm.state]}">${WORDS[alarm.state]}</span></td>
              <th scope="row" class="nowrap"><a href=${href("/", { select: alarm.node.type ? `${alarm.node.name}|${alarm.node.type}` : alarm.node.name })}>${alarm.node.name}</a> <span class="dim small">${alarm.node.type ?? ""}</span></th>
              <td class="nowrap">${METRICS[alarm.metric]}${alarm.statistic ? html` <span class="dim">${alarm.statistic}</span>` : null}</td>
              <td class="number strong" data-label="value">${value(alarm.metric, alarm.value)}</td><td class="number" data-label="threshold">${value(alarm.metric, alarm.threshold)}</td>
              <td class="dim nowrap" data-label="in">${alarm.breaching} of ${alarm.periods} × ${alarm.period_seconds} s</td>
              <td class="nowrap dim" data-label="since" title=${clock(alarm.since)}>${age(alarm.since, now)}</td>
              <td class="nowrap" title=${alarm.reason}><${Sparkline} values=${course(alarm.values)} width=${90} kind=${alarm.state === "ALARM" ? "fault" : "plain"} label=${alarm.reason} />${" "}<a class="small" href=${href("/traces", { filter: inside(`service(${quoted(alarm.node.name)})`, [CONDITIONS[alarm.metric] ?? `responsetime >= ${alarm.threshold}`]) })}>traces</a></td>
            </tr>`)}</tbody>
        </table>
      </section>` : null}
      <${ThresholdTable} thresholds=${thresholds} editable=${data.editable} saved=${reload} />
      ${data.alarms.length || none ? null : html`<p class="dim small">A node has its alarms once it has been seen; a period is looked at when it has been over for five seconds.</p>`}
      ${data.history.length ? html`
        <section class="panel table-wrap" tabindex="0" role="region" aria-label="What changed">
          <table class="stacks"><caption class="visually-hidden">What changed</caption><thead><tr><th scope="col">Changed</th><th scope="col">Node</th><th scope="col">What</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Why</th></tr></thead>
            <tbody>${data.history.slice(0, SHOWN_CHANGES).map((each) => html`
              <tr><td class="nowrap" title=${clock(each.time)}>${age(each.time, now)}</td><th scope="row">${each.node.name}</th><td>${METRICS[each.metric]}</td>
                <td><span class="tag ${TAGS[each.previous]}">${WORDS[each.previous]}</span></td><td><span class="tag ${TAGS[each.state]}">${WORDS[each.state]}</span></td><td class="dim whole">${each.reason}</td></tr>`)}</tbody></table>
        </section>` : null}
      ${data.actions?.length ? html`
        <section class="panel table-wrap" tabindex="0" role="region" aria-label="Who is told">
          <table><caption class="visually-hidden">Who is told</caption><thead><tr><th scope="col">Told</th>${Object.keys(data.actions[0]).filter((name) => typeof data.actions[0][name] === "number").map((name) => html`<th scope="col" class="number">${name.replace(/_/g, " ")}</th>`)}</tr></thead>
            <tbody>${data.actions.map((action) => html`<tr><th scope="row"><code>${String(action.webhook ?? action.command ?? action.action ?? "action")}</code></th>${Object.values(action).filter((each) => typeof each === "number").map((each) => html`<td class="number">${count(each)}</td>`)}</tr>`)}</tbody></table>
        </section>` : null}
    </div>
  `;
}

// -- thresholds ------------------------------------------------------------------------------------

const save = (thresholds) => send("PUT", "alarms", thresholds);
const PERIOD = { period_seconds: 60, periods: 1, minimum_requests: 1 };

/** What an entry says of a metric: its own word, or the default's. */
function said(metric, entry, base) {
  const each = entry[metric] === undefined ? base[metric] : entry[metric];
  if (each === undefined || each === null) return html`<span class="dimmer">${entry[metric] === null ? "off" : "–"}</span>`;
  return html`<span class=${entry[metric] === undefined ? "dim" : "strong"}>${value(metric, each)}</span>`;
}

function ThresholdTable({ thresholds, editable, saved }) {
  const { nodes, default: base } = thresholds;
  const put = (next, what) => save(next).then(() => { toast(what); saved(); }, failed);
  const remove = (place) => confirm({
    title: `Delete the thresholds of ${nodes[place].name}`, text: "Nodes that they were for have those of the next entry that fits, or the default's.", action: "Delete",
    run: () => put({ ...thresholds, nodes: nodes.filter((_, at) => at !== place) }, "Thresholds deleted"),
  });
  const earlier = (place) => put({ ...thresholds, nodes: nodes.with(place, nodes[place - 1]).with(place - 1, nodes[place]) }, "Order changed");
  const edit = (place) => show(ThresholdDialog, { thresholds, place, saved });
  const row = (entry, place) => {
    const when = { ...PERIOD, ...base, ...entry };
    const name = place === "default" ? "every other node" : entry.name;
    return html`
      <tr key=${place}>
        <th scope="row">${place === "default" ? html`<span class="dim">every other node</span>` : html`<code>${entry.name}</code>`} ${entry.type ? html`<span class="dim small">${entry.type}</span>` : null}</th>
        ${Object.keys(METRICS).map((metric) => html`<td class="number" data-label=${METRICS[metric]}>${said(metric, entry, base)}${metric === "response_time" && (entry[metric] ?? base[metric]) ? html` <span class="dim">${when.statistic ?? "average"}</span>` : null}</td>`)}
        <td class="dim" data-label="when above in">${breachingOf(entry, base)} of ${when.periods} × ${when.period_seconds} s${when.minimum_requests > 1 ? `, from ${count(when.minimum_requests)} requests` : ""}</td>
        ${editable ? html`<td class="nowrap number">
          ${place !== "default" && place > 0 ? html`<button type="button" class="icon-button small" aria-label="Try ${name} earlier" title="Try it earlier" onClick=${() => earlier(place)}><${Icon} name="up" small /></button>` : null}
          <button type="button" class="icon-button small" aria-label="Change ${name}" title="Change" onClick=${() => edit(place)}><${Icon} name="edit" small /></button>
          ${place === "default" ? null : html`<button type="button" class="icon-button small" aria-label="Delete ${name}" title="Delete" onClick=${() => remove(place)}><${Icon} name="trash" small /></button>`}
        </td>` : null}
      </tr>
    `;
  };
  return html`
    <section class="panel table-wrap" tabindex="0" role="region" aria-label="Thresholds">
      <header><h2>Thresholds</h2><span class="dim">The first entry that fits a node is the node's; where it says nothing, the last one holds.</span></header>
      <table class="thresholds stacks">
        <caption class="visually-hidden">Thresholds, in the order in which nodes are compared with them</caption>
        <thead><tr><th scope="col">Nodes</th>${Object.values(METRICS).map((title) => html`<th scope="col" class="number">${title}</th>`)}<th scope="col">Raised when above in</th>${editable ? html`<th scope="col"><span class="visually-hidden">Change</span></th>` : null}</tr></thead>
        <tbody>${nodes.map(row)}${row(base, "default")}</tbody>
      </table>
    </section>
  `;
}

/** In how many periods: its own word, else all of its own periods, else the default's. */
function breachingOf(entry, base) {
  return entry.breaching ?? entry.periods ?? base.breaching ?? base.periods ?? PERIOD.periods;
}

const NUMBER_OR_OFF = "off|[0-9]+([.][0-9]+)?";
const FIELDS = [
  ["response_time", "Response time in seconds"],
  ["fault_percent", "Faults in %"],
  ["error_percent", "Errors in %"],
  ["throttle_percent", "Throttled in %"],
];
const COUNTS = [
  ["period_seconds", "Length of a period in seconds", { min: 60, max: 86400, step: 60 }],
  ["periods", "Periods looked at", { min: 1, max: 100 }],
  ["breaching", "… of which so many are above", { min: 1, max: 100 }],
  ["minimum_requests", "Requests that a period needs", { min: 1 }],
];
const WORDED = ["name", "type", "statistic"];

/** place: of the entry among the nodes', "default", or null for a new one. */
function ThresholdDialog({ thresholds, place, saved, onClose }) {
  const { nodes, default: base } = thresholds;
  const isDefault = place === "default";
  const before = isDefault ? base : place === null ? {} : nodes[place];
  const [values, setValues] = useState(() => Object.fromEntries(Object.entries(before).map(([name, each]) => [name, each === null ? "off" : String(each)])));
  const [problem, setProblem] = useState("");
  const put = (name, each) => setValues((now) => ({ ...now, [name]: each }));
  const submit = async () => {
    const entry = {};
    for (const [name, text] of Object.entries(values)) {
      const word = text.trim();
      if (word) entry[name] = WORDED.includes(name) ? word : word === "off" ? null : Number(word);
    }
    const changed = place === null ? [...nodes, entry] : isDefault ? nodes : nodes.with(place, entry);
    try {
      await save({ nodes: changed, default: isDefault ? entry : base });
      hide();
      saved();
      toast("Thresholds saved");
    } catch (error) {
      setProblem(error.message);
    }
  };
  const inherited = (name, fallback) => (isDefault ? fallback : String(base[name] ?? fallback));
  const field = (name, title, props = {}) => html`
    <label class="field"><span>${title}</span><input class="input" value=${values[name] ?? ""} onInput=${(event) => put(name, event.target.value)} ...${props} /></label>
  `;
  return html`
    <${Dialog} title=${isDefault ? "Thresholds of every other node" : place === null ? "Add thresholds" : `Thresholds of ${before.name}`} onClose=${onClose} onSubmit=${submit}
      footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button class="button primary">Save</button>`}>
      ${isDefault ? null : html`<div class="fields">
        ${field("name", "Node", { required: true, placeholder: "shop*" })}
        ${field("type", "Type", { placeholder: "any" })}
      </div>`}
      <h3>Too much is more than</h3>
      <div class="fields">
        ${FIELDS.map(([name, title]) => field(name, title, { placeholder: inherited(name, "off"), inputmode: "decimal", pattern: NUMBER_OR_OFF, title: "A number, or off" }))}
        <label class="field"><span>Response time is the</span>
          <select class="input" value=${values.statistic ?? ""} onChange=${(event) => put("statistic", event.target.value)}>
            <option value="">${inherited("statistic", "average")}</option>${["average", "p50", "p90", "p99"].map((each) => html`<option value=${each}>${each}</option>`)}
          </select></label>
      </div>
      <h3>For how long</h3>
      <div class="fields">${COUNTS.map(([name, title, props]) => field(name, title, { type: "number", placeholder: name === "breaching" ? "all" : inherited(name, PERIOD[name]), ...props }))}</div>
      <p class="dim small">${isDefault ? "They hold for every node that no other entry fits, and where an entry says nothing." : html`What is left empty is as for every other node; <code>off</code> switches a threshold off. <code>*</code> is any text, <code>?</code> any character.`}</p>
      ${problem ? html`<p class="text-fault" role="alert">${problem}</p>` : null}
    </${Dialog}>
  `;
}
