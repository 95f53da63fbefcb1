// The tracker's thread as functions that answer later.

export class Follower {
  /** `onEngine({engine, threads})` is told what the tracker runs on, now and when that changes. */
  constructor(onEngine) {
    this.worker = new Worker(`worker.js${location.search}`, { type: "module" });
    this.asked = new Map();
    this.count = 0;
    this.worker.onmessage = ({ data: { id, result, error, engine, threads } }) => {
      if (engine) return onEngine({ engine, threads });
      const { resolve, reject } = this.asked.get(id);
      this.asked.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.asked.values()) reject(new Error(event.message || "the tracker could not be loaded"));
      this.asked.clear();
    };
  }

  /** Resolves when the tracker is ready. */
  load() {
    return this.#ask("load");
  }

  /** Learn a target from an ImageData; resolves to the box (x, y, w, h) as it is used. A name that is known is replaced. */
  learn(name, image, box) {
    return this.#ask("learn", { name, image, box });
  }

  /** Find all targets in an ImageData: [{name, box, score, state}]. */
  follow(image) {
    return this.#ask("follow", { image });
  }

  forget(name) {
    return this.#ask("forget", { name });
  }

  #ask(what, values = {}) {
    const id = ++this.count;
    // Pixels are handed over, not copied: nobody here reads them again.
    this.worker.postMessage({ id, what, values }, values.image ? [values.image.data.buffer] : []);
    return new Promise((resolve, reject) => this.asked.set(id, { resolve, reject }));
  }
}
