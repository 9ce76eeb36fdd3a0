// What these traces would cost on AWS.

import { html, useLoad, useState } from "../core/view.js";
import { get } from "../core/api.js";
import { count, duration, number, percent, plural } from "../core/format.js";
import * as ranges from "../core/range.js";
import { change, usePlace } from "../core/url.js";
import { Failure } from "../ui/empty.js";
import { Menu } from "../ui/menu.js";

const dollars = (value) => (value > 0 && value < 0.01 ? "< $0.01" : `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: value < 1000 ? 2 : 0 })}`);
const RATES = [1, 0.5, 0.25, 0.1, 0.05, 0.01];

export function Cost() {
  const { params } = usePlace();
  const range = params.get("range") ?? "P1D";
  const [rate, setRate] = useState(0.05);
  const { data, error, reload } = useLoad((signal) => get("cost", { range, rate }, signal), [range, rate]);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} />`;
  if (!data) return html`<div class="loading"><span class="spinner" /></div>`;
  const { month, at_rate: at, prices } = data;
  return html`
    <div class="page cost">
      <div class="page-head"><h1>Cost</h1>
        <p class="dim">What AWS X-Ray would ask for what is recorded here. Running this collector costs nothing.</p><span class="spacer" />
        <${Menu} label=${ranges.name(range)} name="Time: ${ranges.name(range)}" icon="clock" side="right" items=${ranges.CHOICES.map(([value, label]) => ({ label, checked: value === range, run: () => change({ range: value }) }))} />
      </div>
      <div class="panels">
        <section class="panel cost-card"><div class="body"><p class="dim">At this pace, all of it, a month</p><p class="cost-figure">${dollars(month.dollars)}</p>
          <dl class="facts"><dt>Recorded</dt><dd>${count(Math.round(month.recorded))} traces <span class="dim">${dollars(month.recorded_dollars)}</span></dd>
            <dt>Retrieved, scanned</dt><dd>${count(Math.round(month.retrieved))} traces <span class="dim">${dollars(month.retrieved_dollars)}</span></dd></dl></div></section>
        <section class="panel cost-card"><div class="body">
          <p class="dim"><label for="rate">Sampled at ${percent(at.rate)}, a month</label></p><p class="cost-figure">${dollars(at.dollars)}</p>
          <input id="rate" type="range" class="rate" min="0" max=${RATES.length - 1} step="1" value=${RATES.length - 1 - Math.max(0, RATES.indexOf(rate))} aria-valuetext=${percent(rate)} onInput=${(event) => setRate(RATES[RATES.length - 1 - Number(event.target.value)])} />
          <dl class="facts"><dt>Recorded</dt><dd>${count(Math.round(at.recorded))} traces <span class="dim">${dollars(at.recorded_dollars)}</span></dd>
            <dt>Saved</dt><dd>${dollars(Math.max(0, month.dollars - at.dollars))}</dd></dl></div></section>
        <section class="panel cost-card"><div class="body"><p class="dim">Counted in “${ranges.name(range)}”</p><p class="cost-figure">${count(data.recorded)} <span class="cost-unit">${data.recorded === 1 ? "trace" : "traces"}</span></p>
          <dl class="facts"><dt>Over</dt><dd>${duration(data.seconds)}</dd><dt>Retrieved</dt><dd>${plural(data.retrieved, "trace")}</dd><dt>Scanned</dt><dd>${plural(data.scanned, "trace")} <span class="dim">by questions to this collector</span></dd></dl></div></section>
      </div>
      <p class="dim small">Prices of most regions: $${number(prices.recorded * 1e6)} for a million traces recorded above ${count(prices.free_recorded)} a month, $${prices.retrieved * 1e6 < 1 ? (prices.retrieved * 1e6).toFixed(2) : number(prices.retrieved * 1e6)} for a million retrieved or scanned above ${count(prices.free_retrieved)}. Fix the share that is recorded under Sampling.</p>
    </div>
  `;
}
