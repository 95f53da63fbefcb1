// The timeline of a video file: where each target was tracked, where it is lost, and where it was drawn. Click to go there.

import { cleared, colourOf, redrawn } from "./live-picture.js";
import { byId } from "./live-words.js";

const ROW = 9; // height of a target's row, pixels of the page
const MOST_ROWS = 8;
const ANSWER_MS = 300; // a hand that drags is faster than pictures come: each is asked for when the one before is there

/** `seek(index)` is called when somebody goes to a frame. */
export class Timeline {
  constructor(seek) {
    this.seek = seek;
    this.canvas = byId("tracks");
    this.slider = byId("at");
    this.count = 0;
    this.fps = 25;
    this.index = 0;
    this.wanted = null; // the frame to go to when the picture of the one before has come
    this.asked = null; // the frame whose picture is to come
    this.askedAt = -Infinity;
    this.tracks = []; // {name, number, runs: [[first, last, state], ...], drawn: [index, ...]}
    this.slider.oninput = () => this.#go(Number(this.slider.value));
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.#point(event);
    };
    this.canvas.onpointermove = (event) => event.buttons && this.#point(event);
    redrawn(this.canvas, () => this.#draw());
  }

  /** There are so many frames; `filled`: no more come. */
  grow(count, filled) {
    if (count === this.count && filled === this.filled) return;
    this.count = count;
    this.filled = filled;
    this.slider.max = Math.max(0, count - 1);
    this.#say();
    this.#draw();
  }

  show(index, timeS) {
    this.index = index;
    this.#ask();
    this.timeS = timeS;
    if (document.activeElement !== this.slider || Number(this.slider.value) !== index) this.slider.value = index;
    this.#say();
    this.#draw();
  }

  set(tracks) {
    this.tracks = tracks;
    this.canvas.style.height = `${Math.max(1, Math.min(tracks.length, MOST_ROWS)) * ROW + 4}px`;
    this.#draw();
  }

  clear() {
    this.wanted = this.asked = null;
    this.set([]);
    this.grow(0, false);
  }

  /** The next frame, in a direction, at which something should be looked at: a target gets lost there, or was drawn. */
  next(direction) {
    const places = this.tracks.flatMap(({ runs, drawn }) => [...drawn, ...runs.filter(([, , state]) => state === "LOST").map(([first]) => first)]);
    const ahead = places.filter((place) => (place - this.index) * direction > 0);
    if (ahead.length) this.#go(direction > 0 ? Math.min(...ahead) : Math.max(...ahead));
    return ahead.length > 0;
  }

  #go(index) {
    this.wanted = Math.min(Math.max(index, 0), this.count - 1);
    if (this.asked === null || performance.now() - this.askedAt > ANSWER_MS) this.#ask();
  }

  #ask() {
    const to = this.wanted;
    const news = to !== null && to !== (this.asked ?? this.index);
    this.wanted = null;
    this.asked = news ? to : null;
    this.askedAt = performance.now();
    if (news) this.seek(to);
  }

  #point(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    this.#go(Math.round(((event.clientX - left) / width) * (this.count - 1)));
  }

  #say() {
    const seconds = this.timeS ?? 0;
    const time = `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
    const words = `frame ${this.index} of ${this.count}, ${time}${this.filled ? "" : ", more are being read"}`;
    byId("at-words").textContent = words;
    this.slider.setAttribute("aria-valuetext", words);
  }

  #draw() {
    const { count } = this;
    const { context, width, height, colour } = cleared(this.canvas);
    if (!width) return;
    const x = (index) => (count > 1 ? (index / (count - 1)) * (width - 2) + 1 : 1);
    this.tracks.slice(0, MOST_ROWS).forEach(({ number, runs, drawn }, row) => {
      const middle = 2 + (row + 0.5) * ROW;
      context.fillStyle = colour("--grid");
      context.fillRect(0, middle - 1, width, 2);
      for (const [first, last, state] of runs) {
        // As the boxes: solid, dashed and dotted, so that nobody needs to tell the colours.
        context.strokeStyle = colourOf({ number });
        context.lineWidth = state === "TRACKING" ? 6 : 3;
        context.setLineDash(state === "TRACKING" ? [] : state === "LOST" ? [1.5, 3] : [5, 3]);
        context.beginPath();
        context.moveTo(x(first) - 0.5, middle);
        context.lineTo(Math.max(x(last), x(first) + 1) + 0.5, middle);
        context.stroke();
      }
      context.setLineDash([]);
      context.fillStyle = colour("--text");
      for (const index of drawn) {
        context.beginPath();
        context.moveTo(x(index), middle - 4.5);
        context.lineTo(x(index) + 4, middle);
        context.lineTo(x(index), middle + 4.5);
        context.lineTo(x(index) - 4, middle);
        context.fill();
      }
    });
    context.fillStyle = colour("--link");
    context.fillRect(x(this.index) - 1, 0, 2, height);
  }
}
