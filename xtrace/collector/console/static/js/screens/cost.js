import { html } from "../core/view.js";
export const Cost = () => html`<div class="notice"><h1>Cost</h1></div>`;
