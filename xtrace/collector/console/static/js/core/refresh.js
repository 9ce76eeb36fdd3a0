// Answers that are asked for again while traces arrive, not more often than a reader can follow.

import { useEffect, useRef } from "./view.js";
import { onLive, paused } from "./live.js";

/**
 * Call `reload` when traces came or changed, at most once in so many seconds; never while paused, or
 * while `active` is false.
 */
export function useRefresh(reload, seconds, active = true) {
  const state = useRef({ timer: 0, last: 0, due: false });
  const isPaused = paused.use();
  const stopped = isPaused || !active;
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    const own = state.current;
    const run = () => {
      own.timer = 0;
      own.due = false;
      own.last = performance.now();
      latest.current();
    };
    const plan = () => {
      if (!own.timer) own.timer = setTimeout(run, Math.max(50, own.last + seconds * 1000 - performance.now()));
    };
    const undo = onLive((type) => {
      if (type === "stats" || type === "heartbeat") return;
      own.due = true;
      if (!stopped) plan();
    });
    if (!stopped && own.due) plan();
    return () => {
      undo();
      clearTimeout(own.timer);
      own.timer = 0;
    };
  }, [stopped, seconds]);
}
