// The picture with its targets: both drawn at once on one canvas, so that a box never lies over another frame than its own.

/** Okabe and Ito's colours, as the window and the recordings have them. */
export const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"];
export const COLOURS = ["blue", "orange", "green", "purple", "sky", "vermilion", "yellow"];
const DARK_INK = new Set(["#E69F00", "#CC79A7", "#56B4E9", "#F0E442"]);
// Length of a dash and of the gap behind it, in widths of half a line, as in the recordings.
const DASHES = { TRACKING: [], UNCERTAIN: [6, 8], LOST: [0.5, 9] };

/** Of a target, or of what is drawn for it: its number's, until somebody gives it another one's. */
export const colourOf = ({ color, number }) => PALETTE[((color || number) - 1) % PALETTE.length];
/** What a target is called: by its number until somebody gives it a name. */
export const titleOf = ({ name, number }) => (/^target-\d+$/.test(name) ? `Target ${number}` : name);

/** A small canvas, cleared, as sharp as the screen: its context in pixels of the page, its size, and `colour(name)` of the page's style. */
export function cleared(canvas) {
  const unit = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * unit)) canvas.width = Math.round(width * unit);
  if (canvas.height !== Math.round(height * unit)) canvas.height = Math.round(height * unit);
  const context = canvas.getContext("2d");
  context.setTransform(unit, 0, 0, unit, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(document.documentElement);
  return { context, width, height, colour: (name) => style.getPropertyValue(name) };
}

/** Call `draw()` whenever such a canvas gets another size or the page other colours. */
export function redrawn(canvas, draw) {
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

const LENS = 7; // a lens is so many times smaller than the picture is wide, and enlarges three times

/** A picture to show: {image, width, height, scene, ...}. `scene` is null for a picture without one. */
export class Picture {
  constructor(canvas, stage) {
    this.canvas = canvas;
    this.stage = stage;
    this.context = canvas.getContext("2d", { alpha: false });
    this.item = null;
    this.selected = "";
    this.hidden = new Set(); // names of targets that are not drawn
    this.draft = null; // a box that is being drawn, frame pixels
    this.lens = null; // the point under a finger, frame pixels: it hides what it points at
    new ResizeObserver(() => this.#fit()).observe(stage);
  }

  /** Draw an item in place of the one before. */
  show(item) {
    const before = this.item;
    this.item = item;
    if (!before || before.width !== item.width || before.height !== item.height) this.#fit();
    else this.draw();
  }

  draw() {
    const { context, canvas, item } = this;
    if (!item || !canvas.width) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(item.image, 0, 0, canvas.width, canvas.height);
    const scale = canvas.width / item.width;
    const unit = Math.max(1, devicePixelRatio || 1);
    const targets = (item.scene?.targets ?? []).filter(({ name }) => !this.hidden.has(name));
    for (const target of targets) this.#trail(target, scale, unit);
    for (const target of targets) {
      const line = (target.name === this.selected ? 3.5 : 2) * unit;
      this.#box(target.box, colourOf(target), DASHES[target.state], line, scale, unit);
    }
    const taken = []; // by labels; after all boxes: a label must stay readable
    for (const target of targets) this.#label(target, scale, unit, taken);
    if (this.draft) this.#draft(scale, unit);
    if (this.draft && this.lens) this.#lens(scale, unit);
  }

  /** A point of the page in frame pixels, within the frame. */
  toFrame(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const inside = (value, limit) => Math.min(Math.max(value, 0), limit);
    return {
      x: inside(((event.clientX - left) / width) * this.item.width, this.item.width),
      y: inside(((event.clientY - top) / height) * this.item.height, this.item.height),
    };
  }

  /** Frame pixels for one pixel of the page. */
  get framePerPage() {
    return this.item ? this.item.width / this.canvas.clientWidth : 1;
  }

  /** The smallest target at a point of the frame, or null. */
  targetAt({ x, y }) {
    const hit = (this.item?.scene?.targets ?? []).filter(
      ({ box: [left, top, width, height] }) => x >= left && x <= left + width && y >= top && y <= top + height,
    );
    return hit.sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3])[0] ?? null;
  }

  #fit() {
    if (!this.item) return;
    const { width, height } = this.item;
    this.stage.style.setProperty("--ratio", `${width} / ${height}`);
    const room = this.stage.getBoundingClientRect();
    const share = Math.min(room.width / width, room.height / height);
    const [w, h] = [Math.round(width * share), Math.round(height * share)];
    const unit = devicePixelRatio || 1;
    this.canvas.style.width = `${w}px`;
    this.canvas.style.height = `${h}px`;
    this.canvas.width = Math.round(w * unit);
    this.canvas.height = Math.round(h * unit);
    this.draw();
  }

  #trail(target, scale, unit) {
    const { context } = this;
    const { trail } = target;
    context.lineWidth = 1.5 * unit;
    context.strokeStyle = colourOf(target);
    context.setLineDash([]);
    const points = trail.length / 2;
    for (let i = 1; i < points; i++) {
      context.globalAlpha = 0.25 + (0.75 * i) / points;
      context.beginPath();
      context.moveTo(trail[2 * i - 2] * scale, trail[2 * i - 1] * scale);
      context.lineTo(trail[2 * i] * scale, trail[2 * i + 1] * scale);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  #box([x, y, w, h], colour, dashes, line, scale, unit) {
    const { context } = this;
    context.lineCap = dashes.length ? "round" : "butt";
    context.lineJoin = "round";
    context.setLineDash(dashes.map((length) => (length * line) / 2));
    // A dark rim is seen on any ground.
    for (const [style, width] of [["rgb(0 0 0 / 70%)", line + 2 * unit], [colour, line]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(x * scale, y * scale, w * scale, h * scale);
    }
    context.setLineDash([]);
  }

  #label(target, scale, unit, taken) {
    const { context, canvas } = this;
    const { box: [x, y, , h], name, number, score, state } = target;
    const title = /^target-\d+$/.test(name) ? number : titleOf(target);
    const words = `${title}  ${score.toFixed(2)}${state === "TRACKING" ? "" : `  ${state}`}`;
    const colour = colourOf(target);
    context.font = `600 ${13 * unit}px system-ui, "Noto Sans", "DejaVu Sans", sans-serif`;
    const width = context.measureText(words).width + 10 * unit;
    const height = 20 * unit;
    const left = Math.min(Math.max(x * scale - 2 * unit, 0), Math.max(0, canvas.width - width));
    const above = y * scale - height - 2 * unit;
    const below = Math.min((y + h) * scale + 2 * unit, canvas.height - height);
    const free = (top) => !taken.some(([l, t, r, b]) => l < left + width && left < r && t < top + height && top < b);
    const places = [...(above >= 0 ? [above] : []), below, y * scale + 2 * unit, above - height, below + height];
    const top = places.find((place) => place >= 0 && place + height <= canvas.height && free(place)) ?? places[0];
    taken.push([left, top, left + width, top + height]);
    context.fillStyle = colour;
    context.fillRect(left, top, width, height);
    context.fillStyle = DARK_INK.has(colour) ? "#000" : "#fff";
    context.textBaseline = "middle";
    context.fillText(words, left + 5 * unit, top + height / 2 + unit);
  }

  #draft(scale, unit) {
    const { context, canvas } = this;
    const { x, y, w, h } = this.draft;
    const [left, top, right, bottom] = [Math.min(x, x + w), Math.min(y, y + h), Math.max(x, x + w), Math.max(y, y + h)].map(
      (value) => value * scale,
    );
    context.fillStyle = "rgb(0 0 0 / 35%)";
    context.beginPath();
    context.rect(0, 0, canvas.width, canvas.height);
    context.rect(left, top, right - left, bottom - top);
    context.fill("evenodd");
    this.#box([left, top, right - left, bottom - top], "#fff", [], 2 * unit, 1, unit);
  }

  /** What is under the finger, enlarged in the corner that is farthest from it. */
  #lens(scale, unit) {
    const { context, canvas, item } = this;
    const side = Math.max(90 * unit, canvas.width / LENS);
    const [px, py] = [this.lens.x * scale, this.lens.y * scale];
    const left = px < canvas.width / 2 ? canvas.width - side - 8 * unit : 8 * unit;
    const top = py < canvas.height / 2 ? canvas.height - side - 8 * unit : 8 * unit;
    const part = side / 3 / scale;
    const toImage = item.image.width / item.width;
    context.save();
    context.beginPath();
    context.rect(left, top, side, side);
    context.clip();
    context.fillStyle = "#444";
    context.fillRect(left, top, side, side);
    const source = [(this.lens.x - part / 2) * toImage, (this.lens.y - part / 2) * toImage, part * toImage, part * toImage];
    context.drawImage(item.image, ...source, left, top, side, side);
    const { x, y, w, h } = this.draft;
    const at = (value, centre, edge) => edge + (value - centre + part / 2) * scale * 3;
    const box = [at(x, this.lens.x, left), at(y, this.lens.y, top), w * scale * 3, h * scale * 3];
    this.#box(box, "#fff", [], 1.5 * unit, 1, unit);
    context.restore();
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * unit;
    context.strokeRect(left, top, side, side);
  }
}
