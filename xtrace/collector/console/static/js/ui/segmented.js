// A choice of a few, side by side.

import { html } from "../core/view.js";

/** @param {{label: string, value: string, choices: [string, any][], choose: (value: string) => void}} props */
export const Segmented = ({ label, value, choices, choose }) => html`
  <span class="segmented" role="group" aria-label=${label}>
    ${choices.map(([each, name]) => html`<button type="button" aria-pressed=${String(each === value)} onClick=${() => choose(each)}>${name}</button>`)}
  </span>
`;
