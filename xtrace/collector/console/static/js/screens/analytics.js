import { html } from "../core/view.js";
export const Analytics = () => html`<div class="notice"><h1>Analytics</h1></div>`;
