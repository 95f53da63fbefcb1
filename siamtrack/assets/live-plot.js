// The scores of the last seconds, a line a target; of more than two each has a lane of its own, which else nobody could read.

import { cleared, colourOf, redrawn } from "./live-picture.js";

const SPAN_MS = 20000;
const MOST_LANES = 8;
const GAP_MS = 1500; // between frames further apart than this, no line: nothing is known there

export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.lines = new Map(); // name -> {number, color, points: [[t, score], ...]}
    this.drawnAt = 0;
    redrawn(canvas, () => this.draw(performance.now()));
  }

  add(targets, now) {
    for (const { name, number, color, score } of targets) {
      const { points } = this.lines.get(name) ?? { points: [] };
      points.push([now, score]);
      this.lines.set(name, { number, color, points });
    }
    for (const [name, { points }] of this.lines) {
      while (points.length && now - points[0][0] > SPAN_MS) points.shift();
      if (!points.length) this.lines.delete(name);
    }
    if (now - this.drawnAt > 100) this.draw(now); // nobody reads it faster
  }

  clear() {
    this.lines.clear();
    this.draw(performance.now());
  }

  draw(now) {
    this.drawnAt = now;
    const { context, width, height, colour } = cleared(this.canvas);
    if (!width) return;
    const area = { left: 28, right: width - 4, top: 8, bottom: height - 18 };
    const x = (t) => area.right - ((now - t) / SPAN_MS) * (area.right - area.left);
    const lines = [...this.lines.values()].slice(0, MOST_LANES);
    const lanes = lines.length > 2 ? lines.map((line) => [line]) : [lines];
    const high = (area.bottom - area.top) / lanes.length;

    context.font = '12px system-ui, "Noto Sans", "DejaVu Sans", sans-serif';
    context.lineWidth = 1;
    context.textBaseline = "middle";
    lanes.forEach((lane, i) => {
      const gap = lanes.length > 1 ? 3 : 0;
      const [top, bottom] = [area.top + i * high + gap, area.top + (i + 1) * high - gap];
      const y = (score) => bottom - score * (bottom - top);
      context.fillStyle = colour("--dim");
      context.strokeStyle = colour("--grid");
      context.lineWidth = 1;
      context.textAlign = "right";
      for (const score of lanes.length > 1 ? [0, 1] : [0, 0.5, 1]) {
        const at = Math.round(y(score)) + 0.5;
        context.beginPath();
        context.moveTo(area.left, at);
        context.lineTo(area.right, at);
        context.stroke();
        if (lanes.length === 1) context.fillText(score === 0.5 ? "0.5" : String(score), area.left - 6, at);
      }
      if (lanes.length > 1) context.fillText(String(lane[0].number), area.left - 6, (top + bottom) / 2);
      this.#lines(context, lane, x, y, colour("--rim"));
    });
    context.fillStyle = colour("--dim");
    context.textBaseline = "alphabetic";
    for (const [seconds, words, align] of [[20, "20 s ago", "left"], [10, "10 s", "center"], [0, "now", "right"]]) {
      context.textAlign = align;
      context.fillText(words, x(now - 1000 * seconds), height - 3);
    }
  }

  #lines(context, lines, x, y, rim) {
    context.lineJoin = "round";
    for (const line of lines) {
      const { points } = line;
      context.beginPath();
      points.forEach(([t, score], i) => {
        if (i && t - points[i - 1][0] < GAP_MS) context.lineTo(x(t), y(score));
        else context.moveTo(x(t), y(score));
      });
      // Yellow on white, and dark blue on black, need a rim to be seen.
      for (const [stroke, thick] of [[rim, 3.25], [colourOf(line), 2]]) {
        context.strokeStyle = stroke;
        context.lineWidth = thick;
        context.stroke();
      }
    }
  }
}
