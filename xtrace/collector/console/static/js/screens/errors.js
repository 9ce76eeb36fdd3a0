import { html } from "../core/view.js";
export const Errors = () => html`<div class="notice"><h1>Errors</h1></div>`;
