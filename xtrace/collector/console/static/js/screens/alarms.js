import { html } from "../core/view.js";
export const AlarmsScreen = () => html`<div class="notice"><h1>AlarmsScreen</h1></div>`;
