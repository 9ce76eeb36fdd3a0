// Filter expressions as texts: quoting, joining, and recognising a pasted trace id.

/** A text as a string of the filter language. @param {string} text */
export const quoted = (text) => `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`;

/** Whether OR stands in an expression outside of strings and brackets. */
function hasOr(expression) {
  const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, "");
  let depth = 0;
  for (const [token] of bare.matchAll(/[({[]|[)}\]]|\bor\b/gi)) {
    if ("({[".includes(token)) depth += 1;
    else if (")}]".includes(token)) depth -= 1;
    else if (depth === 0) return true;
  }
  return false;
}

/** Several expressions that must all be true. @param {...(string | null | undefined)} expressions */
export function both(...expressions) {
  const given = expressions.map((each) => each?.trim()).filter(Boolean);
  if (given.length < 2) return given[0] ?? "";
  return given.map((each) => (hasOr(each) ? `(${each})` : each)).join(" AND ");
}

/** A number as the language writes it: seconds, without an exponent. @param {number} seconds */
export const figure = (seconds) => (Number.isInteger(seconds) ? String(seconds) : seconds.toFixed(6).replace(/0+$/, ""));

/** Response times in a range. @param {number} from @param {number} to */
export function within(from, to) {
  const low = from > 0 ? `responsetime >= ${figure(from)}` : "";
  const high = Number.isFinite(to) ? `responsetime < ${figure(to)}` : "";
  return [low, high].filter(Boolean).join(" AND ");
}

/**
 * An expression of a service or a call, narrowed inside its braces: "service("a")" and "fault" make
 * "service("a") { fault }".
 */
export const inside = (selector, conditions) => {
  const joined = conditions.filter(Boolean).join(" AND ");
  return joined ? `${selector} { ${joined} }` : selector;
};

const LOOKS_LIKE_AN_ID = /^(?:[\w-]+:\s*)?(?:.*\bRoot=)?(?:1-[0-9a-f]{8}-[0-9a-f]{24}\b.*|[0-9a-f]{32}|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})$/i;

/** Whether a text could be a trace id, or a header with one. */
export const looksLikeId = (text) => LOOKS_LIKE_AN_ID.test(text.trim());
