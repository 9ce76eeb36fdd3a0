// How something ended: always a shape and a colour, and a word for those who see neither.

import { html } from "../core/view.js";

export const STATUSES = ["ok", "error", "throttle", "fault"];

const WORDS = {
  ok: "OK",
  error: "Error (4xx)",
  throttle: "Throttled (429)",
  fault: "Fault (5xx or an exception)",
  open: "In progress",
};
export const SHORT_WORDS = { ok: "OK", error: "Errors", throttle: "Throttled", fault: "Faults", open: "In progress" };

const SHAPES = {
  ok: html`<circle cx="8" cy="8" r="4.5" />`,
  error: html`<path d="M8 1.8 15 14H1L8 1.8Z" />`,
  throttle: html`<path d="M8 1 15 8l-7 7-7-7 7-7Z" />`,
  fault: html`<path d="M2 2h12v12H2V2Z" />`,
  open: html`<circle cx="8" cy="8" r="5" stroke-dasharray="4 3" />`,
};

/** @param {{status: string}} props */
export const Shape = ({ status }) => html`<svg viewBox="0 0 16 16" aria-hidden="true">${SHAPES[status] ?? SHAPES.ok}</svg>`;

/** @param {{status: string, children?: any}} props children: what stands beside it, as the HTTP status */
export const Status = ({ status, children }) => html`
  <span class="status status-${status}" title=${WORDS[status]}>
    <${Shape} status=${status} />
    ${children === undefined || children === null || children === ""
      ? html`<span class="visually-hidden">${WORDS[status]}</span>`
      : html`<span>${children}</span>`}
  </span>
`;

/** The gravest of counts [ok, error, throttle, fault]. */
export function gravest([ok, error, throttle, fault]) {
  if (fault) return "fault";
  if (throttle) return "throttle";
  if (error) return "error";
  return ok ? "ok" : "open";
}

/** Parts of a whole as a bar. @param {{counts: number[]}} props [ok, error, throttle, fault] */
export function Share({ counts }) {
  const total = counts.reduce((sum, each) => sum + each, 0);
  const said = STATUSES.map((status, index) => (counts[index] ? `${counts[index]} ${SHORT_WORDS[status]}` : "")).filter(Boolean);
  return html`
    <span class="share" role="img" aria-label=${said.join(", ") || "nothing"} title=${said.join(", ")}>
      ${STATUSES.map((status, index) =>
        counts[index] ? html`<i class="fill-${status}" style=${{ width: `${(counts[index] / total) * 100}%`, minWidth: "2px" }} />` : null)}
    </span>
  `;
}
