// The frame around all screens, and which screen belongs to which address.

import { html, render, useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from "./core/view.js";
import { continuations, listed, useKeys, usePending } from "./core/keys.js";
import { onLive, stats, watch } from "./core/live.js";
import { go, here, href, onPlace, usePlace } from "./core/url.js";
import { shortcuts, theme } from "./core/settings.js";
import { Dialog, Dialogs, hide, show } from "./ui/dialog.js";
import { openFiles } from "./ui/files.js";
import { Brand, Icon } from "./ui/icons.js";
import { Menu } from "./ui/menu.js";
import { QueryBar, useQuestion } from "./ui/querybar.js";
import { toast, Toasts } from "./ui/toast.js";
import { About } from "./screens/about.js";
import { AlarmsScreen } from "./screens/alarms.js";
import { Analytics } from "./screens/analytics.js";
import { Compare } from "./screens/compare.js";
import { Cost } from "./screens/cost.js";
import { Errors } from "./screens/errors.js";
import { MapScreen } from "./screens/map.js";
import { Sampling } from "./screens/sampling.js";
import { Traces } from "./screens/traces.js";
import { TraceScreen } from "./trace/screen.js";

const SCREENS = [
  { path: "/", name: "Map", screen: MapScreen, query: true, key: "g m" },
  { path: "/traces", name: "Traces", screen: Traces, query: true, key: "g t" },
  { path: "/errors", name: "Errors", screen: Errors, query: true, key: "g e" },
  { path: "/analytics", name: "Analytics", screen: Analytics, query: true, filter: false, key: "g a" },
  { path: "/sampling", name: "Sampling", screen: Sampling, key: "g s" },
  { path: "/alarms", name: "Alarms", screen: AlarmsScreen, key: "g l" },
  { path: "/cost", name: "Cost", screen: Cost, key: "g c" },
  { path: "/about", name: "About", screen: About, key: "g i" },
];
const THEMES = ["system", "light", "dark"];

function found(path) {
  const trace = /^\/traces\/(.+)$/.exec(path);
  if (trace) return { name: "Trace", screen: TraceScreen, props: { id: decodeURIComponent(trace[1]) }, below: "/traces" };
  if (path === "/compare") return { name: "Compare", screen: Compare, below: "/traces" };
  return SCREENS.find((each) => each.path === path) ?? { name: "Not found", screen: NotFound };
}

function App() {
  const { path } = usePlace();
  const question = useQuestion();
  const place = found(path);
  const main = useRef(null);
  const [before, setBefore] = useState(path);
  useLayoutEffect(() => {
    document.title = place.name === "Map" ? "xtrace" : `${place.name} · xtrace`;
    if (before !== path) {
      setBefore(path);
      main.current.scrollTop = 0;
      main.current.focus({ preventScroll: true });
    }
  }, [path]);
  useEffect(() => {
    const { filter, group, run } = place.query ? question : {};
    watch({ filter: place.filter === false ? "" : filter, group, run });
  }, [place.query, place.filter, question.filter, question.group, question.run]);
  useKeys([
    ...SCREENS.map(({ path: to, name, key }) => ({ keys: key, label: name, group: "Go to", run: () => go(href(to)) })),
    { keys: "?", label: "This list", group: "Everywhere", run: () => show(Keys) },
    { keys: "t", label: "Theme: light, dark, as the system", group: "Everywhere", run: nextTheme },
    { keys: "o", label: "Open a trace file", group: "Everywhere", run: () => openFiles() },
  ]);
  const current = place.below ?? place.path;
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>Skip to the content</a>
    <header class="topbar">
      <a class="brand" href=${href("/")} aria-label="xtrace, to the map"><${Brand} /><span>xtrace</span></a>
      <nav class="nav" aria-label="Screens">
        ${SCREENS.map(({ path: to, name, key }) => html`<a href=${href(to)} aria-current=${to === current ? "page" : null} title=${`${name} ( ${key} )`}>${name}${to === "/alarms" ? html`<${Raised} />` : null}</a>`)}
      </nav>
      <span class="nav-menu">
        <${Menu} label=${place.name} icon="menu" kind="button quiet" name="Screens" items=${SCREENS.map(({ path: to, name, key }) => ({ label: name, hint: key, href: href(to) }))} />
      </span>
      <div class="tools">
        <button type="button" class="icon-button" aria-label="Open a trace file" title="Open a trace file ( o )" onClick=${() => openFiles()}><${Icon} name="upload" /></button>
        <button type="button" class="icon-button" aria-label="Keys" title="Keys ( ? )" onClick=${() => show(Keys)}><${Icon} name="keyboard" /></button>
        <${ThemeMenu} />
      </div>
    </header>
    ${place.query ? html`<${QueryBar} withFilter=${place.filter !== false} />` : null}
    <main class="main" id="main" tabindex="-1" ref=${main} aria-label=${place.name}>
      <${Guarded} key=${path}><${place.screen} ...${place.props ?? {}} /></${Guarded}>
    </main>
    <${Pending} />
    <${Dialogs} />
    <${Toasts} />
    <${DropZone} />
  `;
}

function Raised() {
  const raised = stats.use()?.alarms ?? 0;
  return raised ? html` <span class="count alarm-count">${raised}<span class="visually-hidden"> raised</span></span>` : null;
}

/** A screen that fails leaves the frame as it is, and says so. */
function Guarded({ children }) {
  const [error, reset] = useErrorBoundary();
  if (!error) return children;
  return html`
    <div class="notice" role="alert">
      <h1>This screen failed</h1>
      <p class="dim">That is a fault of the console. What follows helps to mend it.</p>
      <pre class="failure">${String(error?.stack ?? error)}</pre>
      <button type="button" class="button" onClick=${reset}>Draw it again</button>
    </div>
  `;
}

const NotFound = () => html`
  <div class="notice">
    <h1>There is nothing here</h1>
    <p class="dim"><code>${here().path}</code> is no screen of the console.</p>
    <a class="button" href=${href("/")}>To the map</a>
  </div>
`;

// -- themes and keys ---------------------------------------------------------------------------------

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme.get()) + 1) % THEMES.length];
  theme.set(next);
  toast(`Theme: ${next === "system" ? "as the system" : next}`);
}

function ThemeMenu() {
  const chosen = theme.use();
  const icon = { light: "sun", dark: "moon", system: "system" }[chosen];
  const labels = { light: "Light", dark: "Dark", system: "As the system" };
  return html`
    <${Menu} name="Theme" icon=${icon} kind="icon-button" side="right"
      items=${THEMES.map((each) => ({ label: labels[each], checked: each === chosen, run: () => theme.set(each) }))} />
  `;
}

function Keys({ onClose }) {
  const switched = shortcuts.use();
  const groups = [...listed()];
  return html`
    <${Dialog} title="Keys" onClose=${onClose}>
      <div class="keys">
        ${groups.map(([group, bindings]) => html`
          <section>
            <h3>${group}</h3>
            <dl>${bindings.map(({ keys, label }) => html`<div><dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${label}</dd></div>`)}</dl>
          </section>
        `)}
      </div>
      <label class="check">
        <input type="checkbox" checked=${switched === "on"} onChange=${(event) => shortcuts.set(event.target.checked ? "on" : "off")} />
        Shortcuts of single letters
      </label>
    </${Dialog}>
  `;
}

/** After the first key of two: how it may go on. */
function Pending() {
  const first = usePending();
  if (!first) return null;
  return html`
    <div class="pending" role="status">
      ${continuations(first).map(({ keys, label }) => html`<span><kbd>${keys.split(" ")[1]}</kbd> ${label}</span>`)}
    </div>
  `;
}

// -- files that are dropped ---------------------------------------------------------------------------

function DropZone() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let leaving = 0;
    const has = (event) => event.dataTransfer?.types.includes("Files");
    const enter = (event) => {
      if (!has(event)) return;
      event.preventDefault();
      clearTimeout(leaving);
      setOver(true);
    };
    const leave = () => {
      leaving = setTimeout(() => setOver(false), 80);
    };
    const drop = (event) => {
      if (!has(event)) return;
      event.preventDefault();
      setOver(false);
      openFiles([...event.dataTransfer.files]);
    };
    addEventListener("dragover", enter);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", enter);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
  return over ? html`<div class="dropzone" aria-hidden="true"><p>Drop to open: a trace file, documents, or OTLP as JSON</p></div>` : null;
}

onPlace(hide);
onLive((type) => type === "clear" && toast("All traces were removed"));
render(html`<${App} />`, document.getElementById("app"));
