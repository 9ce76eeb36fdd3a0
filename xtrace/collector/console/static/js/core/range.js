// The time that is looked at: the last so long, from one time to another, or all.

import { clock, iso } from "./format.js";

export const DEFAULT = "PT15M";

export const CHOICES = [
  ["PT1M", "Last minute"],
  ["PT5M", "Last 5 minutes"],
  ["PT15M", "Last 15 minutes"],
  ["PT1H", "Last hour"],
  ["PT6H", "Last 6 hours"],
  ["P1D", "Last day"],
  ["P7D", "Last 7 days"],
  ["all", "All that is stored"],
];

/** Whether a range moves with the clock, so that new traces are in it. */
export const isLive = (range) => !range.includes("~");

/** How a range is called. @param {string} range */
export function name(range) {
  const known = CHOICES.find(([text]) => text === range);
  if (known) return known[1];
  const [start, end] = bounds(range);
  if (start === null) return range;
  const from = clock(start);
  const to = clock(end);
  const day = from.slice(0, -9);
  return `${from} – ${day && to.startsWith(day) ? to.slice(day.length + 1) : to}`;
}

/** Start and end of an absolute range, in seconds. */
export function bounds(range) {
  const [start, end] = range.split("~").map((text) => (/^[0-9.]+$/.test(text) ? Number(text) : Date.parse(text) / 1000));
  return Number.isFinite(start) && Number.isFinite(end) ? [start, end] : [null, null];
}

/** An absolute range. @param {number} start @param {number} end */
export const absolute = (start, end) => `${iso(start)}~${iso(end)}`;
