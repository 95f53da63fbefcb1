// Which picture is drawn when: the newest, at the screen's own pace; none while a box is being drawn.

/** Draws items on a `Picture` and calls `drawn(item, now)` after each. */
export class Show {
  constructor(picture, drawn) {
    this.picture = picture;
    this.drawn = drawn;
    this.frozen = false;
    this.waiting = null; // the newest item that was not drawn
    this.asked = false;
    this.first = true;
  }

  /** An item to draw: {image, seq, scene, latency(now), release()}. A newer one takes its place. */
  offer(item) {
    const { width, height } = item.scene;
    // What waited for a hand that draws, for a tab that sleeps, or for somebody to look at all, tells nothing of latency.
    const timed = !this.frozen && !this.first && !document.hidden;
    Object.assign(item, { width, height, timed, fresh: true });
    this.first = false;
    this.waiting?.release();
    this.waiting = item;
    this.#ask();
  }

  /** The newest item, drawn or not; null if there is none of this connection. */
  get newest() {
    const item = this.waiting ?? this.picture.item;
    return item?.fresh ? item : null;
  }

  freeze() {
    this.frozen = true;
  }

  thaw() {
    this.frozen = false;
    this.#ask();
  }

  /** Targets came or went between two frames. Returns whether the picture that is seen changed. */
  change(scene) {
    const shown = this.picture.item;
    for (const item of [this.waiting, shown]) if (item?.fresh && item.scene.index === scene.index) item.scene = scene;
    if (shown?.scene !== scene) return false;
    this.picture.draw();
    return true;
  }

  /** What waits to be drawn is not. */
  drop() {
    this.waiting?.release();
    this.waiting = null;
  }

  /** The connection is gone, and with it the numbers of its pictures: the last one stays, but nothing can be drawn on it. */
  forget() {
    this.frozen = false;
    this.first = true;
    this.drop();
    if (this.picture.item) this.picture.item.fresh = false;
  }

  /** Show nothing. */
  clear() {
    this.forget();
    this.picture.item?.release();
    this.picture.item = null;
  }

  #ask() {
    if (this.asked || this.frozen || !this.waiting) return;
    this.asked = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.asked = false;
    if (this.frozen || !this.waiting) return;
    const [item, before] = [this.waiting, this.picture.item];
    this.waiting = null;
    this.picture.show(item);
    before?.release();
    this.drawn(item, performance.now());
  }
}
