// The scores of the last seconds, a line a target.

import { colourOf } from "./live-picture.js";

const SPAN_MS = 20000;
const GAP_MS = 1500; // between frames further apart than this, no line: nothing is known there

export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.lines = new Map(); // name -> {number, points: [[t, score], ...]}
    this.drawnAt = 0;
    new ResizeObserver(() => this.draw(performance.now())).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(performance.now()));
  }

  add(targets, now) {
    for (const { name, number, score } of targets) {
      if (!this.lines.has(name)) this.lines.set(name, { number, points: [] });
      this.lines.get(name).points.push([now, score]);
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
    const { canvas } = this;
    const unit = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    if (canvas.width !== Math.round(width * unit)) canvas.width = Math.round(width * unit);
    if (canvas.height !== Math.round(height * unit)) canvas.height = Math.round(height * unit);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    context.setTransform(unit, 0, 0, unit, 0, 0);
    context.clearRect(0, 0, width, height);
    const area = { left: 28, right: width - 4, top: 8, bottom: height - 18 };
    const x = (t) => area.right - ((now - t) / SPAN_MS) * (area.right - area.left);
    const y = (score) => area.bottom - score * (area.bottom - area.top);

    context.font = '12px system-ui, "Noto Sans", "DejaVu Sans", sans-serif';
    context.fillStyle = colour("--dim");
    context.strokeStyle = colour("--grid");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const score of [0, 0.5, 1]) {
      const at = Math.round(y(score)) + 0.5;
      context.beginPath();
      context.moveTo(area.left, at);
      context.lineTo(area.right, at);
      context.stroke();
      context.fillText(score === 0.5 ? "0.5" : String(score), area.left - 6, at);
    }
    context.textBaseline = "alphabetic";
    for (const [seconds, words, align] of [[20, "20 s ago", "left"], [10, "10 s", "center"], [0, "now", "right"]]) {
      context.textAlign = align;
      context.fillText(words, x(now - 1000 * seconds), height - 3);
    }

    context.lineJoin = "round";
    for (const { number, points } of this.lines.values()) {
      context.beginPath();
      points.forEach(([t, score], i) => {
        if (i && t - points[i - 1][0] < GAP_MS) context.lineTo(x(t), y(score));
        else context.moveTo(x(t), y(score));
      });
      // Yellow on white, and dark blue on black, need a rim to be seen.
      for (const [stroke, thick] of [[colour("--rim"), 3.25], [colourOf(number), 2]]) {
        context.strokeStyle = stroke;
        context.lineWidth = thick;
        context.stroke();
      }
    }
  }
}
