import { html } from "../core/view.js";
export const Sampling = () => html`<div class="notice"><h1>Sampling</h1></div>`;
