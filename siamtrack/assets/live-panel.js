// The list of targets, what one is called, and the figures.

import { COLOURS, PALETTE, colourOf, titleOf } from "./live-picture.js";
import { button, byId, make } from "./live-words.js";

const RECENT_MS = 2000;
const FIGURES_MS = 300; // figures that change faster cannot be read

/** The list of targets. `on` is told: select(name), again(name), remove(name), and rename(name) if names can be given. */
export class TargetList {
  constructor(on) {
    this.on = on;
    this.rows = new Map();
    this.list = byId("targets");
  }

  /** Show these targets. Rows stay where they are, so that focus and pointer keep their button. */
  show(targets, selected) {
    const names = new Set(targets.map(({ name }) => name));
    for (const [name, row] of this.rows) {
      if (names.has(name)) continue;
      if (row.item.contains(document.activeElement)) byId("picture").focus({ preventScroll: true });
      row.item.remove();
      this.rows.delete(name);
    }
    for (const [place, target] of targets.entries()) {
      const row = this.rows.get(target.name) ?? this.#add(target, place);
      row.item.dataset.state = target.state;
      row.item.style.setProperty("--mine", colourOf(target));
      row.item.setAttribute("aria-current", String(target.name === selected));
      row.pick.setAttribute("aria-pressed", String(target.name === selected));
      if (row.state.textContent !== target.state) row.state.textContent = target.state;
      row.score.textContent = target.score.toFixed(2);
    }
    byId("no-targets").hidden = targets.length > 0;
  }

  #add(target, place) {
    const { name } = target;
    const title = titleOf(target);
    const [state, score] = [make("span", { className: "state" }), make("span", { className: "score" })];
    const pick = button("", "pick", () => this.on.select(name));
    pick.append(make("span", { className: "name", textContent: title }), state, score);
    const acts = [["Draw again", this.on.again], ["Name", this.on.rename], ["Remove", this.on.remove]].filter(([, act]) => act);
    const buttons = acts.map(([words, act]) => Object.assign(button(words, "", () => act(name)), { ariaLabel: `${words}: ${title}` }));
    const item = make("li", { className: "target" }, pick, make("div", { className: "row" }, ...buttons));
    item.dataset.name = name;
    this.list.insertBefore(item, this.list.children[place] ?? null);
    const row = { item, pick, state, score };
    this.rows.set(name, row);
    return row;
  }
}

/** Ask for a target's name and colour; `give(name, color)` gets them, "" and 0 for those that it has. */
export function askName(target, give) {
  const { name } = target;
  byId("rename-to").value = /^target-\d+$/.test(name) ? "" : name;
  const colours = COLOURS.map((title, i) => {
    const checked = PALETTE[i] === colourOf(target);
    const radio = make("input", { type: "radio", name: "colour", value: i + 1, ariaLabel: title, checked });
    const label = make("label", { title }, radio);
    label.style.setProperty("--mine", PALETTE[i]);
    return label;
  });
  byId("rename-colours").replaceChildren(...colours);
  byId("rename-do").onclick = () => {
    give(byId("rename-to").value.trim(), Number(byId("rename-colours").querySelector(":checked")?.value ?? 0));
    byId("rename").close();
  };
  byId("rename").showModal();
}

/** What is measured: frame rates, latency, and what was left out. */
export class Figures {
  constructor() {
    this.drawn = []; // [time, latency] of the pictures of the last seconds
    this.shownAt = 0;
  }

  /** A picture was drawn. `counts`: {dropped, frames, skipped} so far. */
  add(scene, latencyMs, counts, now) {
    this.drawn.push([now, latencyMs]);
    while (now - this.drawn[0][0] > RECENT_MS) this.drawn.shift();
    if (now - this.shownAt < FIGURES_MS) return;
    this.shownAt = now;
    const latencies = this.drawn.map(([, latency]) => latency).sort((a, b) => a - b);
    const at = (share) => Math.round(latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))]);
    const spanS = (now - this.drawn[0][0]) / 1000;
    byId("fps").textContent = scene.fps ? `${scene.fps.toFixed(1)} fps` : "–";
    byId("shown").textContent = spanS > 0 ? `${((this.drawn.length - 1) / spanS).toFixed(1)} fps` : "–";
    byId("latency").textContent = `${at(0.5)} ms, p95 ${at(0.95)} ms`;
    byId("tracker").textContent = scene.tracking_ms ? `${scene.tracking_ms.toFixed(0)} ms a frame` : "–";
    byId("dropped").textContent = `${counts.dropped} of ${counts.frames}`;
    byId("skipped").textContent = String(counts.skipped);
  }

  /** Show nothing: another video begins. */
  clear() {
    this.restart();
    for (const id of ["fps", "shown", "latency", "tracker", "dropped", "skipped"]) byId(id).textContent = "–";
  }

  /** Forget what was measured, after a pause: a frame that waited for a sleeping tab tells nothing of latency. */
  restart() {
    this.drawn = [];
  }
}
