// Pictures of this device's camera on their way to the server and back: as many as the line holds, and none sent to wait.

import { Line } from "./live-line.js";

/**
 * Sends pictures as the answers come in.
 *
 * `wanted()` says whether pictures should be sent now.
 */
export class Flight {
  constructor(camera, link, wanted) {
    this.camera = camera;
    this.link = link;
    this.wanted = wanted;
    this.under = new Map(); // seq -> {canvas, grabbedAt}
    this.seq = 0;
    this.turn = 0; // counts connections: what was grabbed for an earlier one is not sent
    this.line = new Line();
    this.size = ""; // of frames, as the server knows it
    this.encoding = 0;
    this.grabbedAt = 0;
    this.gapMs = 0; // between two pictures, so that the second comes when the server is done with the first
    this.presented = 0;
    this.forget();
  }

  /** The camera has a new picture; `presented` counts them. */
  filmed(presented) {
    const fresh = this.presented ? Math.max(1, presented - this.presented) : 1;
    this.presented = presented;
    if (!this.wanted()) return false;
    this.counts.frames += fresh;
    this.counts.dropped += fresh;
    const now = performance.now();
    const underWay = this.under.size + this.encoding;
    if (underWay >= this.line.most(this.link.wordMs) || (underWay && now - this.grabbedAt < this.gapMs)) return false;
    const canvas = this.camera.grab();
    if (!canvas) return false;
    this.counts.dropped--;
    this.grabbedAt = now;
    this.#send(canvas, now);
    return true;
  }

  /**
   * A picture's answer is here: its canvas and when it was grabbed; null if nobody waits for it.
   *
   * The server says how long it worked on it, and how long the picture waited for that: as long as pictures wait, they
   * come too soon.
   */
  back(seq, workedMs = this.gapMs, waitedMs = 0) {
    const sent = this.under.get(seq) ?? null;
    this.under.delete(seq);
    const now = performance.now();
    if (sent) this.line.took(sent.level, now - sent.sentAt - workedMs - waitedMs, this.link.wordMs, now);
    const gap = workedMs + waitedMs;
    this.gapMs = this.gapMs ? 0.8 * this.gapMs + 0.2 * gap : gap;
    return sent;
  }

  /** The server did not want a picture. */
  skipped(seq) {
    this.counts.skipped++;
    this.camera.giveBack(this.back(seq)?.canvas);
  }

  /** The camera was not looked at for a while: what it filmed meanwhile was not left out, it was not wanted. */
  rest() {
    this.presented = 0;
  }

  /** The connection is gone. */
  forget() {
    for (const { canvas } of this.under.values()) this.camera.giveBack(canvas);
    this.under.clear();
    this.turn++;
    this.size = "";
    this.line.reset();
    this.counts = { frames: 0, dropped: 0, skipped: 0 };
  }

  async #send(canvas, grabbedAt) {
    const { turn } = this;
    const { level } = this.line;
    this.encoding++;
    const jpeg = await this.camera.jpeg(canvas, level);
    this.encoding--;
    const seq = ++this.seq;
    if (turn === this.turn && jpeg && this.#tellSize(canvas) && this.link.sendPicture(seq, jpeg)) {
      this.under.set(seq, { canvas, grabbedAt, level, sentAt: performance.now() });
    } else this.camera.giveBack(canvas);
  }

  /** On a thin line pictures are smaller than the frames that they are of: the server must know those. */
  #tellSize({ width, height }) {
    const size = `${width}x${height}`;
    if (size === this.size) return true;
    this.size = size;
    return this.link.send("size", { width, height });
  }
}
