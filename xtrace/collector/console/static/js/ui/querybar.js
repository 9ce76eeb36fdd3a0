// What is asked, above every screen of many traces: a group, a filter expression, a time, a run.

import { classes, html, useEffect, useLatest, useLoad, useRef, useState } from "../core/view.js";
import { get, part, send, settled, xray } from "../core/api.js";
import { looksLikeId } from "../core/filter.js";
import { useKeys } from "../core/keys.js";
import { connection, pace, paused } from "../core/live.js";
import * as ranges from "../core/range.js";
import { change, go, href, usePlace } from "../core/url.js";
import { confirm, Dialog, hide, show } from "./dialog.js";
import { Icon } from "./icons.js";
import { Menu } from "./menu.js";
import { failed, toast } from "./toast.js";

/** The question that the address holds. */
export function useQuestion() {
  const { params } = usePlace();
  return {
    filter: params.get("filter") ?? "",
    range: params.get("range") ?? ranges.DEFAULT,
    group: params.get("group") ?? "",
    run: params.get("run") ?? "",
  };
}

/** @param {{withFilter?: boolean}} props */
export function QueryBar({ withFilter = true }) {
  const question = useQuestion();
  const input = useRef(null);
  useKeys([
    { keys: "/", label: "Filter", group: "Everywhere", run: () => input.current?.focus() },
    { keys: ".", label: "Pause or go on with live traces", group: "Everywhere", run: () => paused.set(!paused.get()) },
  ]);
  return html`
    <div class="querybar" role="search" aria-label="Traces">
      <${GroupMenu} group=${question.group} filter=${question.filter} />
      ${withFilter ? html`<${FilterInput} filter=${question.filter} input=${input} />` : html`<span class="spacer" />`}
      <div class="row">
        <${RangeMenu} range=${question.range} />
        <${RunMenu} run=${question.run} />
        <${LiveButton} range=${question.range} />
      </div>
    </div>
  `;
}

function LiveButton({ range }) {
  const isPaused = paused.use();
  const state = connection.use();
  const perSecond = pace.use();
  if (!ranges.isLive(range)) {
    return html`<button type="button" class="button" title="Back to the last 15 minutes, as they come" onClick=${() => change({ range: null })}><${Icon} name="clock" />Go live</button>`;
  }
  const word = state === "lost" ? "Offline" : isPaused ? "Paused" : state === "refused" ? "Waiting" : "Live";
  const title = {
    Offline: "The collector doesn't answer; trying again",
    Waiting: "The collector tells of nothing new for what is asked; trying again",
    Paused: "Go on ( . )",
    Live: "Pause ( . )",
  }[word];
  return html`
    <button type="button" class=${classes("button live", `live-${word.toLowerCase()}`)} aria-pressed=${String(!isPaused)}
      title=${title}
      onClick=${() => paused.set(!isPaused)}>
      <span class="live-dot" aria-hidden="true" />${word}
      ${word === "Live" && perSecond >= 0.1 ? html`<span class="live-rate" title="Documents a second">${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s</span>` : null}
    </button>
  `;
}

function RangeMenu({ range }) {
  const custom = () => show(RangeDialog, { range });
  return html`
    <${Menu} label=${ranges.name(range)} name="Time: ${ranges.name(range)}" icon="clock" side="right" items=${[
      ...ranges.CHOICES.map(([text, label]) => ({ label, checked: text === range, run: () => change({ range: text === ranges.DEFAULT ? null : text }) })),
      { line: true },
      { label: "From … to …", icon: "edit", run: custom },
      ranges.isLive(range) && range !== "all" && { label: "Fix it as absolute times", icon: "pin", run: () => change({ range: fixed(range) }) },
    ]} />
  `;
}

const SECONDS = { D: 86400, H: 3600, M: 60, S: 1 };

/** A range that moves, as it is now. */
export function fixed(range) {
  if (!ranges.isLive(range) || range === "all") return range;
  let seconds = 0;
  for (const [, many, unit] of range.matchAll(/(\d+(?:\.\d+)?)([DHMS])/g)) seconds += Number(many) * SECONDS[unit];
  const now = Date.now() / 1000;
  return ranges.absolute(now - seconds, now);
}

const local = (time) => {
  const date = new Date((time - new Date(time * 1000).getTimezoneOffset() * 60) * 1000);
  return date.toISOString().slice(0, 19);
};

function RangeDialog({ range, onClose }) {
  const [from, to] = ranges.bounds(fixed(range === "all" ? "P1D" : range));
  const [start, setStart] = useState(local(from));
  const [end, setEnd] = useState(local(to));
  const wrong = !(new Date(start) < new Date(end));
  const apply = () => {
    if (wrong) return;
    onClose();
    change({ range: ranges.absolute(new Date(start) / 1000, new Date(end) / 1000) });
  };
  return html`
    <${Dialog} title="From … to …" onClose=${onClose} onSubmit=${apply}
      footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button class="button primary" disabled=${wrong}>Show</button>`}>
      <label class="field"><span>From</span><input class="input" type="datetime-local" step="1" value=${start} onInput=${(event) => setStart(event.target.value)} /></label>
      <label class="field"><span>To</span><input class="input" type="datetime-local" step="1" value=${end} onInput=${(event) => setEnd(event.target.value)} /></label>
      ${wrong ? html`<p class="text-fault">The end must come after the start.</p>` : null}
    </${Dialog}>
  `;
}

function GroupMenu({ group, filter }) {
  const { data, reload } = useLoad((signal) => settled.then(() => get("groups", {}, signal)), []);
  const groups = data?.groups ?? [];
  const chosen = groups.find((each) => each.name === group);
  return html`
    <${Menu} label=${group || "All traces"} name="Group: ${group || "all traces"}" icon="filter" items=${[
      { label: "All traces", checked: !group, run: () => change({ group: null }) },
      ...groups.filter((each) => each.name !== "Default").map((each) => ({ label: each.name, hint: each.error ? "can't be used" : "", checked: each.name === group, run: () => change({ group: each.name }) })),
      { line: true },
      { label: "Save the filter as a group …", icon: "plus", run: () => show(GroupDialog, { filter, saved: reload }) },
      chosen && { label: `Change ${chosen.name} …`, icon: "edit", run: () => show(GroupDialog, { filter: chosen.filter, name: chosen.name, saved: reload }) },
      chosen && { label: `Delete ${chosen.name} …`, icon: "trash", danger: true, run: () => confirm({
        title: "Delete the group", text: `The group ${chosen.name} goes; its traces stay.`, action: "Delete",
        run: () => xray("/DeleteGroup", { GroupName: chosen.name }).then(() => { change({ group: null }); reload(); }, failed),
      }) },
    ]} />
  `;
}

function GroupDialog({ filter, name, saved, onClose }) {
  const [title, setTitle] = useState(name ?? "");
  const [expression, setExpression] = useState(filter);
  const [problem, setProblem] = useState("");
  const save = async () => {
    try {
      await xray(name ? "/UpdateGroup" : "/CreateGroup", { GroupName: title, FilterExpression: expression });
      hide();
      saved();
      change({ group: title, filter: name ? undefined : null });
      toast(`Group ${title} saved`);
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`
    <${Dialog} title=${name ? `Group ${name}` : "Save as a group"} onClose=${onClose} onSubmit=${save}
      footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button class="button primary">Save</button>`}>
      <p class="dim">A group is a filter with a name. It narrows the map, the traces and everything else, and may be used in filters as <code>group.name = "…"</code>.</p>
      <label class="field"><span>Name</span><input class="input" required maxlength="32" value=${title} disabled=${Boolean(name)} onInput=${(event) => setTitle(event.target.value)} /></label>
      <label class="field"><span>Filter</span><textarea class="input mono" rows="4" required onInput=${(event) => setExpression(event.target.value)}>${expression}</textarea></label>
      ${problem ? html`<p class="text-fault" role="alert">${problem}</p>` : null}
    </${Dialog}>
  `;
}

/** @param {{run: string, of?: string, choose?: (run: string | null) => void}} props of: what it is the run of */
export function RunMenu({ run, of = "", choose = (name) => change({ run: name }) }) {
  const { data, reload } = useLoad((signal) => settled.then(() => get("runs", {}, signal)), []);
  const runs = data?.runs ?? [];
  if (!runs.length && !run) return null;
  return html`
    <${Menu} label=${run ? `Run ${run}` : "All runs"} name="Run${of}: ${run || "all"}" side="right" items=${() => [
      { label: "All runs", checked: !run, run: () => choose(null) },
      ...runs.map((each) => ({ label: each.name, hint: `${each.traces}${each.pinned ? ", pinned" : ""}`, checked: each.name === run, run: () => choose(each.name) })),
      run && { line: true },
      run && { label: runs.find((each) => each.name === run)?.pinned ? "Unpin" : "Pin, so that it isn't trimmed", icon: "pin",
        run: () => send("PATCH", `runs/${part(run)}`, { pinned: !runs.find((each) => each.name === run)?.pinned }).then(reload, failed) },
    ]} />
  `;
}

// -- the filter ------------------------------------------------------------------------------------

const PATIENCE = 120;

function FilterInput({ filter, input }) {
  const [text, setText] = useState(filter);
  const [offers, setOffers] = useState([]);
  const [chosen, setChosen] = useState(-1);
  const [problem, setProblem] = useState(null);
  const timer = useRef(0);
  const asked = useRef(0);
  useEffect(() => {
    setText(filter);
    setProblem(null);
    setOffers([]);
    if (filter) check(filter);
  }, [filter]);

  const check = async (value) => {
    try {
      const { error } = await get("completions", { text: value, position: value.length });
      setProblem(error);
    } catch {
      // the answer to the question itself will say what is wrong
    }
  };
  const ask = useLatest((value, position) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(async () => {
      const turn = (asked.current += 1);
      if (looksLikeId(value)) return setOffers([]);
      try {
        const { items, error } = await get("completions", { text: value, position });
        if (turn !== asked.current || document.activeElement !== input.current) return;
        setOffers(items.slice(0, 12));
        setChosen(-1);
        // What may still become a word isn't wrong yet.
        setProblem(error && !items.length && error.position < value.length - 1 ? error : null);
      } catch {
        setOffers([]);
      }
    }, PATIENCE);
  });
  const close = () => {
    clearTimeout(timer.current);
    asked.current += 1;
    setOffers([]);
    setChosen(-1);
  };
  const apply = async () => {
    close();
    const wanted = text.trim();
    if (looksLikeId(wanted)) {
      try {
        const { trace_id: id, entity, stored } = await get("find", { text: wanted });
        if (id && stored) {
          setText(filter);
          return go(href(`/traces/${part(id)}`, { row: entity }));
        }
        if (id) return setProblem({ message: `No trace ${id} is stored here.` });
      } catch (error) {
        return failed(error);
      }
    }
    change({ filter: wanted, cursor: null });
    if (wanted) check(wanted);
    else setProblem(null);
    return undefined;
  };
  const take = (offer) => {
    const position = input.current.selectionStart;
    const rest = text.slice(position);
    const next = `${text.slice(0, offer.from)}${offer.text}`;
    const spaced = /^\s/.test(rest) || /[.({]$/.test(next) ? next : `${next} `;
    setText(spaced + rest);
    close();
    requestAnimationFrame(() => {
      input.current.focus();
      input.current.setSelectionRange(spaced.length, spaced.length);
      ask(spaced + rest, spaced.length);
    });
  };
  const key = (event) => {
    const { length } = offers;
    if (event.key === "ArrowDown" && length) setChosen((chosen + 1) % length);
    else if (event.key === "ArrowUp" && length) setChosen((chosen - 1 + length) % length);
    else if (event.key === "ArrowDown" || (event.key === " " && event.ctrlKey)) ask(text, event.target.selectionStart);
    else if (event.key === "Tab" && chosen >= 0) take(offers[chosen]);
    else if (event.key === "Enter" && chosen >= 0) take(offers[chosen]);
    else if (event.key === "Enter") apply();
    else if (event.key === "Escape" && length) close();
    else if (event.key === "Escape") {
      setText(filter);
      input.current.blur();
    } else return;
    event.preventDefault();
  };
  return html`
    <div class="filter">
      <div class="filter-box">
        <${Icon} name="search" />
        <input class="input mono" ref=${input} value=${text} spellcheck="false" autocomplete="off" autocapitalize="off"
          placeholder='Filter, as in service("shop") { fault }, or paste a trace id' role="combobox" aria-label="Filter expression"
          aria-expanded=${String(offers.length > 0)} aria-controls="filter-offers" aria-autocomplete="list" aria-haspopup="listbox"
          aria-activedescendant=${chosen >= 0 ? `filter-offer-${chosen}` : null} aria-invalid=${problem ? "true" : null} aria-describedby=${problem ? "filter-problem" : null}
          onInput=${(event) => {
            setText(event.target.value);
            ask(event.target.value, event.target.selectionStart);
          }}
          onKeyDown=${key} onBlur=${close} />
        ${text ? html`<button type="button" class="icon-button small" aria-label="Clear the filter" onClick=${() => { setText(""); change({ filter: null }); }}><${Icon} name="close" small /></button>` : null}
      </div>
      <div class="menu below filter-offers" id="filter-offers" role="listbox" aria-label="Completions" hidden=${!offers.length}>
        ${offers.map((offer, index) => html`
          <div class="item" role="option" id="filter-offer-${index}" aria-selected=${String(index === chosen)}
            onPointerDown=${(event) => { event.preventDefault(); take(offer); }}>
            <code>${offer.text}</code><span class="hint">${offer.kind}</span>
          </div>
        `)}
      </div>
      ${problem ? html`<${Problem} problem=${problem} text=${text} />` : null}
    </div>
  `;
}

/** What is wrong with a filter, and where. */
function Problem({ problem, text }) {
  const { position } = problem;
  const isPlaced = typeof position === "number" && position >= 0;
  return html`
    <div class="filter-problem" id="filter-problem" role="alert">
      ${isPlaced ? html`<code><span>${text.slice(Math.max(0, position - 24), position)}</span><mark>${text.slice(position, position + 12) || "␣"}</mark></code>` : null}
      <span>${problem.message}</span>
    </div>
  `;
}
