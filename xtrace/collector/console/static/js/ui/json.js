// A JSON value as a tree. Only what is opened is drawn, so that its size and depth don't matter.

import { html, useMemo, useState } from "../core/view.js";
import { count } from "../core/format.js";

const OPEN_LEVELS = 2;
const OPEN_ENTRIES = 40;
const STEP = 100;
const LONG_TEXT = 400;

/** @param {{value: any, label?: string}} props */
export const Json = ({ value, label }) => html`<div class="json"><${Node} value=${value} name=${label} level=${0} /></div>`;

function Node({ value, name, level }) {
  const entries = useMemo(
    () => (value !== null && typeof value === "object" ? Object.entries(value) : null),
    [value],
  );
  const [open, setOpen] = useState(() => level < OPEN_LEVELS && (entries?.length ?? 0) <= OPEN_ENTRIES);
  const [limit, setLimit] = useState(STEP);
  const key = name === undefined ? null : html`<span class="json-key">${name}</span>`;
  if (entries === null) return html`<div class="json-line">${key}<${Leaf} value=${value} /></div>`;
  const isList = Array.isArray(value);
  const size = html`<span class="dimmer">${isList ? `[${count(entries.length)}]` : `{${count(entries.length)}}`}</span>`;
  if (entries.length === 0) return html`<div class="json-line">${key}${size}</div>`;
  if (name === undefined && level === 0) return html`<${Entries} ...${{ entries, limit, setLimit, level }} />`;
  return html`
    <div class="json-branch">
      <button type="button" class="json-line json-toggle" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
        <span class="json-arrow" aria-hidden="true" />${key}${size}
      </button>
      ${open ? html`<div class="json-inside"><${Entries} ...${{ entries, limit, setLimit, level }} /></div>` : null}
    </div>
  `;
}

const Entries = ({ entries, limit, setLimit, level }) => html`
  ${entries.slice(0, limit).map(([name, value]) => html`<${Node} key=${name} name=${name} value=${value} level=${level + 1} />`)}
  ${entries.length > limit
    ? html`<button type="button" class="button quiet small" onClick=${() => setLimit(limit + STEP * 10)}>${count(entries.length - limit)} more</button>`
    : null}
`;

function Leaf({ value }) {
  const [whole, setWhole] = useState(false);
  if (typeof value !== "string") return html`<span class="json-${value === null ? "null" : typeof value}">${String(value)}</span>`;
  const long = value.length > LONG_TEXT && !whole;
  return html`
    <span class="json-string">${long ? value.slice(0, LONG_TEXT) : value}</span>
    ${long ? html`<button type="button" class="button quiet small" onClick=${() => setWhole(true)}>… ${count(value.length - LONG_TEXT)} more characters</button>` : null}
  `;
}
