// What the line to the server takes: how large pictures are, and how many may be under way. `client.py` does the same for those
// that come from the server.

/** Longest side and JPEG quality of pictures, best first. */
export const LEVELS = [[960, 0.8], [800, 0.72], [640, 0.66], [480, 0.6], [360, 0.55], [270, 0.5]];
const SLOW_MS = 150; // a picture that takes so much longer than a word has waited in a queue
const QUICK_MS = 60;
const BETTER_MS = 2000; // of quick pictures, before larger ones are tried; twice as long after each try that failed
const LONGEST_MS = 60000;
const MOST = 8;
const PAUSE_MS = 1000;

export class Line {
  constructor() {
    this.reset();
  }

  /** Another connection: nothing is known of it. */
  reset() {
    this.level = 0;
    this.betterMs = BETTER_MS;
    this.quickSince = -1;
    this.triedAt = -Infinity;
    this.answeredAt = -1;
    this.betweenMs = 0; // answers
  }

  /** How many pictures may be under way: as many as the line holds, and one more. */
  most(wordMs) {
    return Math.min(MOST, Math.max(2, 1 + Math.ceil(wordMs / Math.max(this.betweenMs, 1))));
  }

  /** A picture of a level took so long to be answered, the work on it not counted; a word takes `wordMs`. */
  took(level, ms, wordMs, now) {
    const between = now - this.answeredAt;
    if (this.answeredAt >= 0 && between < PAUSE_MS) this.betweenMs = this.betweenMs ? 0.8 * this.betweenMs + 0.2 * between : between;
    this.answeredAt = now;
    if (level !== this.level) return; // sent before the last change
    if (ms - wordMs > SLOW_MS) this.#worse(now);
    else if (ms - wordMs > QUICK_MS || this.quickSince < 0) this.quickSince = now;
    else if (now - this.quickSince > this.betterMs) this.#better(now);
  }

  #worse(now) {
    if (now - this.triedAt < 2 * BETTER_MS) this.betterMs = Math.min(2 * this.betterMs, LONGEST_MS);
    this.level = Math.min(this.level + 1, LEVELS.length - 1);
    this.quickSince = now;
  }

  #better(now) {
    this.level = Math.max(this.level - 1, 0);
    this.quickSince = this.triedAt = now;
  }
}
