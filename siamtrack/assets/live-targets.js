// The targets: which there are, which one is selected, and what a drawn box is for.

import { Pencil } from "./live-draw.js";
import { titleOf } from "./live-picture.js";
import { announce, hint, say } from "./live-words.js";

const ANSWER_MS = 4000;
const UNDO_MS = 6000;
const ANNOUNCE_MS = 2000; // a target that flickers is not told of again and again
const SELECT_FIRST = "Select a target first: tap its box, or press its number.";

/**
 * `parts`: {picture, show, link, list}. `refuse()` says why nothing can be drawn now, "" if something can.
 * `thawed()` is called when the picture goes on.
 */
export class Targets {
  constructor(parts, refuse, thawed) {
    Object.assign(this, parts);
    this.refuse = refuse;
    this.thawed = thawed;
    this.all = [];
    this.selected = "";
    this.again = ""; // the target that the next box is for; "" for a new one
    this.timer = 0;
    this.leaving = new Map(); // name -> timer: removed here, and soon on the server, unless that is taken back
    this.told = new Map(); // name -> {lost, at}: what was announced of it last
    this.pencil = new Pencil(this.picture, {
      begin: () => this.#freeze(),
      box: (box) => this.#take(box),
      tap: (point) => this.#tapped(point),
      cancel: () => this.thaw(),
    });
  }

  /** These are the targets now. */
  set(all) {
    const targets = all.filter(({ name }) => !this.leaving.has(name));
    const changed = targets.length !== this.all.length;
    const before = this.named(this.selected);
    this.all = targets;
    this.#announceLost(performance.now());
    // A target that got another name keeps its number.
    if (this.selected && !this.named(this.selected)) this.select(targets.find(({ number }) => number === before?.number)?.name ?? "");
    if (this.again && !this.named(this.again)) this.again = "";
    this.list.show(targets, this.selected);
    if (changed) hint();
  }

  select(name) {
    this.selected = this.picture.selected = name;
    this.picture.draw();
    this.list.show(this.all, name);
  }

  toggle(name) {
    this.select(name === this.selected ? "" : name);
  }

  toggleNumber(number) {
    this.toggle(this.all.find((target) => target.number === number)?.name ?? "");
  }

  /** The next box is for a target that there is. */
  drawAgain(name = this.selected) {
    if (!name) {
      say(SELECT_FIRST, "error");
      return;
    }
    this.select(name);
    this.again = name;
    hint(true);
  }

  drawByKeys() {
    this.pencil.beginByKeys(this.named(this.again)?.box);
    hint(true);
  }

  /** Remove a target: at once for the eye, on the server when nobody has taken it back. */
  remove(name = this.selected) {
    const target = this.named(name);
    if (!target) {
      say(SELECT_FIRST, "error");
      return;
    }
    const before = this.all;
    this.leaving.set(name, setTimeout(() => this.#removeNow(name), UNDO_MS));
    this.picture.hidden.add(name);
    this.set(before);
    this.picture.draw();
    const undo = () => {
      clearTimeout(this.leaving.get(name));
      this.leaving.delete(name);
      this.picture.hidden.delete(name);
      this.set([...this.all, target]);
      this.picture.draw();
      hint(true);
    };
    say(`${titleOf(target)} is removed.`, "note", { act: ["Undo", undo] });
  }

  /** Nobody is left who could take back what was removed. */
  removeAll() {
    for (const name of this.leaving.keys()) this.#removeNow(name);
  }

  #removeNow(name) {
    clearTimeout(this.leaving.get(name));
    this.leaving.delete(name);
    this.picture.hidden.delete(name);
    this.link.send("remove", { name });
  }

  /** How to draw the box that is begun or asked for; "" without one. */
  get drawingHint() {
    if (this.pencil.keys) return "Arrows move the box, with Shift they change its size; Enter takes it, Esc gives up.";
    return this.again && `Draw ${this.titleOf(this.again)} again: drag a box around it. Esc gives up.`;
  }

  /** What a target is called, for people. */
  titleOf(name) {
    const target = this.named(name);
    return target ? titleOf(target) : titleOf({ name, number: name.split("-").pop() });
  }

  giveUp() {
    this.again = "";
    this.select("");
    hint(true);
  }

  /** The server has answered to a box, or nothing was drawn: the picture goes on. */
  thaw() {
    if (!this.show.frozen || this.pencil.busy) return;
    clearTimeout(this.timer);
    this.again = "";
    this.link.send("release");
    this.show.thaw();
    this.thawed();
  }

  #freeze() {
    const problem = this.refuse();
    if (problem) say(problem, "error");
    if (problem || !this.picture.item?.fresh) return false;
    clearTimeout(this.timer);
    this.show.freeze();
    this.link.send("hold", { seq: this.picture.item.seq });
    return true;
  }

  #take(box) {
    const values = { box, seq: this.picture.item.seq };
    const sent = this.again ? this.link.send("reselect", { name: this.again, ...values }) : this.link.send("add", values);
    // The picture stands until the server has answered: then it goes on with the new box on it.
    this.timer = setTimeout(() => this.thaw(), sent ? ANSWER_MS : 0);
  }

  #tapped(point) {
    this.select(this.picture.targetAt(point)?.name ?? "");
    this.thaw();
  }

  /** Tell those who do not see the picture that a target is lost, or is there again. */
  #announceLost(now) {
    for (const name of this.told.keys()) if (!this.named(name)) this.told.delete(name);
    for (const { name, number, state } of this.all) {
      const lost = state === "LOST";
      const { lost: before, at } = this.told.get(name) ?? { lost: false, at: -Infinity };
      if (lost === before || state === "UNCERTAIN" || now - at < ANNOUNCE_MS) continue;
      this.told.set(name, { lost, at: now });
      announce(`${titleOf({ name, number })} is ${lost ? "lost" : "found again"}.`);
    }
  }

  /** A target that there is. */
  named(name) {
    return this.all.find((target) => target.name === name);
  }
}
