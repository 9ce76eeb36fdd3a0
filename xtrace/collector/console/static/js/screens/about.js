import { html } from "../core/view.js";
export const About = () => html`<div class="notice"><h1>About</h1></div>`;
