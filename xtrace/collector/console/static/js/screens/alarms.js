// Thresholds of nodes: which are passed, since when, and how it came.

import { html, useEffect, useLoad } from "../core/view.js";
import { get } from "../core/api.js";
import { quoted, inside } from "../core/filter.js";
import { age, clock, count, duration, number, plural } from "../core/format.js";
import { href } from "../core/url.js";
import { Sparkline } from "../ui/charts.js";
import { Code } from "../ui/code.js";
import { Failure } from "../ui/empty.js";

const SECONDS = 15;
const METRICS = { response_time: "Response time", fault_percent: "Faults", error_percent: "Errors", throttle_percent: "Throttled" };
const CONDITIONS = { fault_percent: "fault", error_percent: "error", throttle_percent: "throttle" };
const WORDS = { ALARM: "Alarm", OK: "OK", INSUFFICIENT_DATA: "No data" };
const TAGS = { ALARM: "fault", OK: "ok", INSUFFICIENT_DATA: "" };
const SHOWN_CHANGES = 100;

const EXAMPLE = `{
  "default": {"fault_percent": 5, "response_time": 1.0, "statistic": "p90", "periods": 3, "breaching": 2},
  "nodes": [{"name": "payments", "fault_percent": 1}],
  "actions": [{"webhook": "https://example.com/hooks/alarms"}]
}`;

const value = (metric, each) => (each === null ? "–" : metric === "response_time" ? duration(each) : `${number(each)} %`);

export function AlarmsScreen() {
  const { data, error, reload } = useLoad((signal) => get("alarms", {}, signal), []);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  if (!data.alarms.length && !data.history.length) return html`<${None} configured=${data.actions !== undefined} />`;
  const raised = data.alarms.filter(({ state }) => state === "ALARM").length;
  const now = Date.now() / 1000;
  return html`
    <div class="page">
      <div class="page-head"><h1>Alarms</h1><p class="dim">${raised ? html`<b class="text-fault">${plural(raised, "alarm")} raised</b>` : "None is raised"} of ${plural(data.alarms.length, "threshold")}.${data.unwatched ? ` ${plural(data.unwatched, "node")} had no room.` : ""}${data.failures ? ` ${plural(data.failures, "evaluation")} failed: ${data.last_error}.` : ""}</p></div>
      <section class="panel table-wrap" tabindex="0" role="region" aria-label="Alarms">
        <table>
          <thead><tr><th scope="col">State</th><th scope="col">Node</th><th scope="col">What</th><th scope="col" class="number">Value</th><th scope="col" class="number">Threshold</th><th scope="col">When</th><th scope="col">Since</th><th scope="col">Last periods</th></tr></thead>
          <tbody>${data.alarms.map((alarm) => html`
            <tr key="${alarm.node.name} ${alarm.node.type} ${alarm.metric}">
              <td><span class="tag ${TAGS[alarm.state]}">${WORDS[alarm.state]}</span></td>
              <th scope="row"><a href=${href("/", { select: alarm.node.type ? `${alarm.node.name}|${alarm.node.type}` : alarm.node.name })}>${alarm.node.name}</a> <span class="dim small">${alarm.node.type ?? ""}</span></th>
              <td>${METRICS[alarm.metric]}${alarm.statistic ? html` <span class="dim">${alarm.statistic}</span>` : null}</td>
              <td class="number strong">${value(alarm.metric, alarm.value)}</td><td class="number">${value(alarm.metric, alarm.threshold)}</td>
              <td class="dim">${alarm.breaching} of ${alarm.periods} × ${alarm.period_seconds} s</td>
              <td class="nowrap dim" title=${clock(alarm.since)}>${age(alarm.since, now)}</td>
              <td title=${alarm.reason}><${Sparkline} values=${alarm.values.map((each) => each.value ?? 0)} width=${90} kind=${alarm.state === "ALARM" ? "fault" : "plain"} label=${alarm.reason} />
                <a class="small" href=${href("/traces", { filter: inside(`service(${quoted(alarm.node.name)})`, [CONDITIONS[alarm.metric] ?? `responsetime >= ${alarm.threshold}`]) })}>traces</a></td>
            </tr>`)}</tbody>
        </table>
      </section>
      ${data.history.length ? html`
        <section class="panel table-wrap" tabindex="0" role="region" aria-label="What changed">
          <table><caption class="visually-hidden">What changed</caption><thead><tr><th scope="col">Changed</th><th scope="col">Node</th><th scope="col">What</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Why</th></tr></thead>
            <tbody>${data.history.slice(0, SHOWN_CHANGES).map((each) => html`
              <tr><td class="nowrap" title=${clock(each.time)}>${age(each.time, now)}</td><th scope="row">${each.node.name}</th><td>${METRICS[each.metric]}</td>
                <td><span class="tag ${TAGS[each.previous]}">${WORDS[each.previous]}</span></td><td><span class="tag ${TAGS[each.state]}">${WORDS[each.state]}</span></td><td class="dim">${each.reason}</td></tr>`)}</tbody></table>
        </section>` : null}
      ${data.actions?.length ? html`
        <section class="panel table-wrap" tabindex="0" role="region" aria-label="Who is told">
          <table><caption class="visually-hidden">Who is told</caption><thead><tr><th scope="col">Told</th>${Object.keys(data.actions[0]).filter((name) => typeof data.actions[0][name] === "number").map((name) => html`<th scope="col" class="number">${name.replace(/_/g, " ")}</th>`)}</tr></thead>
            <tbody>${data.actions.map((action) => html`<tr><th scope="row"><code>${String(action.webhook ?? action.command ?? action.action ?? "action")}</code></th>${Object.values(action).filter((each) => typeof each === "number").map((each) => html`<td class="number">${count(each)}</td>`)}</tr>`)}</tbody></table>
        </section>` : null}
    </div>
  `;
}

const None = ({ configured }) => html`
  <div class="notice">
    <h1>${configured ? "No alarm yet" : "No alarms are set"}</h1>
    <p class="dim">${configured ? "Thresholds are set; a node has its alarms once it has been seen." : "An alarm tells when a node of the map gets slow, or fails too often. Write thresholds to a file and start the collector with it:"}</p>
    ${configured ? null : html`<${Code} text=${EXAMPLE} what="The example" /><${Code} text="xtrace collector --alarms alarms.json" what="The command" />`}
  </div>
`;
