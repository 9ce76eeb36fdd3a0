// What is copied says so.

import { html, useState } from "../core/view.js";
import { Icon } from "./icons.js";
import { toast } from "./toast.js";

/** Put a text on the clipboard. @param {string} text @param {string} what "The link" */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that aren't served from the loopback or by TLS have no clipboard; this still works there.
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("aria-hidden", "true");
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(`${what} copied`);
}

/** @param {{text: string | (() => string), what: string, small?: boolean}} props */
export function CopyButton({ text, what, small = true }) {
  const [done, setDone] = useState(false);
  const run = async () => {
    await copy(typeof text === "function" ? text() : text, what);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`
    <button type="button" class="icon-button ${small ? "small" : ""} copy" aria-label="Copy ${what.toLowerCase()}" title="Copy" onClick=${run}>
      <${Icon} name=${done ? "check" : "copy"} />
    </button>
  `;
}
