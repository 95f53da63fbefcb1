// Drawing a box with mouse, finger or keys.

const TAP_PX = 6; // pixels of the page: what is shorter is a tap, not a box
const STEP_SHARE = 0.08; // of the picture's width or height, a key's first step; each turn back halves it
const ARROWS = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowUp: ["y", -1], ArrowDown: ["y", 1] };

/**
 * Tells `on`: begin() when the picture must stand still (false refuses), box([x, y, w, h]), tap(point), cancel().
 * Exactly one of the last three follows every begin.
 */
export class Pencil {
  constructor(picture, on) {
    this.picture = picture;
    this.on = on;
    this.pointer = null; // {id, x, y} where it went down, frame pixels
    this.keys = false;
    const canvas = picture.canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("contextmenu", (event) => this.pointer && event.preventDefault());
  }

  get busy() {
    return this.pointer !== null || this.keys;
  }

  /** Begin a box that keys move; around `start` if given. */
  beginByKeys(start = null) {
    if (this.busy || !this.picture.item || !this.on.begin()) return;
    this.keys = true;
    const { width, height } = this.picture.item;
    const [across, down] = [width * STEP_SHARE, height * STEP_SHARE];
    this.steps = { x: { px: across }, y: { px: down }, w: { px: across }, h: { px: down } };
    const [x, y, w, h] = start ?? [width * 0.4, height * 0.4, width * 0.2, height * 0.2];
    this.#show({ x, y, w, h });
    this.picture.canvas.focus();
  }

  /** A key that went down; true if it was for the box. */
  key(event) {
    if (!this.busy) return false;
    if (event.key === "Escape") return this.cancel(), true;
    if (!this.keys) return false;
    if (event.key === "Enter") {
      const { x, y, w, h } = this.picture.draft;
      this.#end();
      this.on.box([x, y, w, h]);
      return true;
    }
    if (!(event.key in ARROWS)) return false;
    const [axis, sign] = ARROWS[event.key];
    const { width, height } = this.picture.item;
    const { x, y, w, h } = this.picture.draft;
    // Of each side: how far it may go.
    const [side, least, most] = event.shiftKey
      ? { x: ["w", 4, width - x], y: ["h", 4, height - y] }[axis]
      : { x: ["x", 0, width - w], y: ["y", 0, height - h] }[axis];
    const value = this.picture.draft[side] + sign * this.#step(side, sign);
    this.#show({ x, y, w, h, [side]: Math.min(Math.max(value, least), most) });
    return true;
  }

  /** How far a key goes: whoever went too far and turns back comes closer with each turn. */
  #step(side, sign) {
    const step = this.steps[side];
    if (step.sign === -sign) step.px = Math.max(1, step.px / 2);
    step.sign = sign;
    return step.px;
  }

  cancel() {
    if (!this.busy) return;
    this.#end();
    this.on.cancel();
  }

  #down(event) {
    if (!event.isPrimary || event.button !== 0 || !this.picture.item) return;
    this.cancel(); // a box drawn by keys gives way
    if (!this.on.begin()) return;
    this.pointer = { id: event.pointerId, ...this.picture.toFrame(event) };
    this.picture.canvas.setPointerCapture(event.pointerId);
  }

  #move(event) {
    if (event.pointerId !== this.pointer?.id) return;
    const { x, y } = this.picture.toFrame(event);
    this.picture.lens = event.pointerType === "touch" ? { x, y } : null;
    this.#show({ x: this.pointer.x, y: this.pointer.y, w: x - this.pointer.x, h: y - this.pointer.y });
  }

  #up(event) {
    if (event.pointerId !== this.pointer?.id) return;
    const [from, to] = [this.pointer, this.picture.toFrame(event)];
    const [w, h] = [to.x - from.x, to.y - from.y];
    this.#end();
    if (Math.max(Math.abs(w), Math.abs(h)) < TAP_PX * this.picture.framePerPage) this.on.tap(to);
    else this.on.box([from.x, from.y, w, h]);
  }

  #show(draft) {
    this.picture.draft = draft;
    this.picture.draw();
  }

  #end() {
    this.pointer = null;
    this.keys = false;
    this.picture.draft = this.picture.lens = null;
    this.picture.draw();
  }
}
