// Small pictures, drawn on 16 by 16. They never stand without a name: beside a text, or in a labelled button.

import { html } from "../core/view.js";

const PATHS = {
  search: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM11 11l3 3",
  close: "M4 4l8 8M12 4l-8 8",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  down: "M4 6.5l4 4 4-4",
  right: "M6.5 4l4 4-4 4",
  left: "M9.5 4l-4 4 4 4",
  up: "M4 9.5l4-4 4 4",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6l7.6-4.8L5 3.2Z",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5V5h-2.5",
  copy: "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7h-2.3M3.2 5.5h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.2c0-.4.3-.7.7-.7Z",
  check: "M3 8.5l3.2 3.2L13 4.5",
  download: "M8 2.5v7.2M4.8 6.8 8 10l3.2-3.2M2.8 13.2h10.4",
  upload: "M8 10V2.8M4.8 5.8 8 2.6l3.2 3.2M2.8 13.2h10.4",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
  system: "M2.5 3.2h11v7.6h-11zM6 13.5h4M8 10.8v2.7",
  keyboard: "M1.8 4.2h12.4v7.6H1.8zM4.2 6.8h.1M6.7 6.8h.1M9.2 6.8h.1M11.7 6.8h.1M5 9.3h6",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  table: "M2.5 3h11v10h-11zM2.5 6.3h11M2.5 9.7h11M6.5 6.3V13",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5",
  edit: "M10.5 3.2l2.3 2.3-7 7-2.8.5.5-2.8 7-7Z",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.3-2.3a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.2 9.1a2.6 2.6 0 0 0 3.7 3.7l.9-.9",
  compare: "M5 2.5v11M11 2.5v11M2.5 5h5M8.5 9h5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.6",
  warning: "M8 2.4 14 13H2L8 2.4ZM8 6.4v3.2M8 11.4v.1",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.3v3.6M8 5v.1",
  person: "M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8ZM3 13.4c.6-2.4 2.6-3.8 5-3.8s4.4 1.4 5 3.8",
  database: "M3 4.2c0-1 2.2-1.7 5-1.7s5 .7 5 1.7-2.2 1.7-5 1.7-5-.7-5-1.7ZM3 4.2v7.6c0 1 2.2 1.7 5 1.7s5-.7 5-1.7V4.2M3 8c0 1 2.2 1.7 5 1.7S13 9 13 8",
  queue: "M2.5 5h3v6h-3zM6.5 5h3v6h-3zM10.5 5h3v6h-3z",
  globe: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM2 8h12M8 2c2 2 2.6 4 2.6 6S10 12 8 14c-2-2-2.6-4-2.6-6S6 4 8 2Z",
  cloud: "M4.6 12.5a2.9 2.9 0 0 1-.3-5.8 3.9 3.9 0 0 1 7.5-.6 3.2 3.2 0 0 1-.3 6.4H4.6Z",
  service: "M8 2.2 13 5v6l-5 2.8L3 11V5l5-2.8ZM3 5l5 2.8L13 5M8 7.8v6",
  bell: "M4 11V7.2a4 4 0 0 1 8 0V11l1.2 1.2H2.8L4 11ZM6.6 14h2.8",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  filter: "M2.5 3.5h11L9.4 8.4v4.1l-2.8-1.4V8.4L2.5 3.5Z",
  expand: "M4 6l4 4 4-4",
  path: "M2.5 12.5c4 0 3-9 6-9 2 0 1.5 5 5 5",
  pin: "M5.5 2.5h5M6.2 2.5v4.2L4 9.5h8L9.8 6.7V2.5M8 9.5v4.5",
};

/** @param {{name: keyof typeof PATHS, small?: boolean}} props */
export const Icon = ({ name, small = false }) =>
  html`<svg class=${small ? "icon small" : "icon"} viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/** The same inside another picture. @param {{name: keyof typeof PATHS}} props */
export const Glyph = ({ name }) => html`<path class="glyph" d=${PATHS[name]} />`;

export const Brand = () => html`
  <svg viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="#2f57c9" />
    <rect x="6" y="8" width="20" height="4" rx="2" fill="#fff" />
    <rect x="10" y="14" width="10" height="4" rx="2" fill="#b9c9ff" />
    <rect x="15" y="20" width="11" height="4" rx="2" fill="#ffb454" />
  </svg>
`;
