import { html } from "../core/view.js";
export const Compare = () => html`<div class="notice"><h1>Compare</h1></div>`;
