// Texts of fixed width: statements, stacks, JSON. All of it is text to the browser, whatever it holds.

import { html, useState } from "../core/view.js";
import { CopyButton } from "./copy.js";
import { bytes } from "../core/format.js";

const FIRST_CHARACTERS = 20000;

/** @param {{text: string, what?: string, language?: "sql" | "text"}} props */
export function Code({ text, what = "The text", language = "text" }) {
  const [whole, setWhole] = useState(false);
  const shown = whole || text.length <= FIRST_CHARACTERS ? text : text.slice(0, FIRST_CHARACTERS);
  return html`
    <div class="code">
      <pre tabindex="0" aria-label=${what}>${language === "sql" ? sql(shown) : shown}</pre>
      <${CopyButton} text=${text} what=${what} />
      ${shown.length < text.length ? html`
        <button type="button" class="button quiet small" onClick=${() => setWhole(true)}>
          Show the other ${bytes(text.length - shown.length)}
        </button>
      ` : null}
    </div>
  `;
}

const WORDS =
  /\b(SELECT|FROM|WHERE|AND|OR|NOT|IN|IS|NULL|AS|ON|JOIN|LEFT|RIGHT|INNER|OUTER|FULL|CROSS|INSERT|INTO|VALUES|UPDATE|SET|DELETE|GROUP|BY|ORDER|HAVING|LIMIT|OFFSET|UNION|ALL|DISTINCT|CREATE|TABLE|INDEX|ALTER|DROP|WITH|RETURNING|CASE|WHEN|THEN|ELSE|END|BEGIN|COMMIT|ROLLBACK|LIKE|BETWEEN|EXISTS|CONFLICT|DO|NOTHING|DESC|ASC)\b/gi;

/** A statement with its keywords marked. */
function sql(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(WORDS)) {
    if (found.index > at) parts.push(text.slice(at, found.index));
    parts.push(html`<span class="word">${found[0]}</span>`);
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}
