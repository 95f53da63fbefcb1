// The tracker, in a thread of its own: one job after the other, in the order in which they were asked for.

import * as ort from "./ort/ort.wasm.min.mjs";

const LEAST_PX = 4; // shortest side of a box that can be learned
const MOST_THREADS = 4;

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
// Threads need memory that they share, which browsers give only to pages served with certain headers: see sw.js.
// One core is left to the page: threads that wait for work keep theirs busy.
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(Math.max(1, navigator.hardwareConcurrency - 1), MOST_THREADS) : 1;

const known = new Map(); // name -> what is known of a target
const tracker = import("./track.js");
let last = tracker;

const jobs = {
  async load() {
    await tracker;
    return ort.env.wasm.numThreads;
  },

  async learn({ image, name, box: [x, y, w, h] }) {
    const inside = (value, limit) => Math.min(Math.max(value, 0), limit);
    const [left, right] = [Math.min(x, x + w), Math.max(x, x + w)].map((value) => inside(value, image.width));
    const [top, bottom] = [Math.min(y, y + h), Math.max(y, y + h)].map((value) => inside(value, image.height));
    if (Math.min(right - left, bottom - top) < LEAST_PX) throw new Error(`the box is too small: ${LEAST_PX} pixels a side are needed`);
    const box = [left, top, right - left, bottom - top];
    known.set(name, await (await tracker).learn(image, box));
    return box;
  },

  async follow({ image }) {
    const seen = [];
    for (const name of [...known.keys()]) {
      const { known: now, ...found } = await (await tracker).follow(image, known.get(name));
      known.set(name, now);
      seen.push({ name, ...found });
    }
    return seen;
  },

  forget({ name }) {
    known.delete(name);
  },
};

self.onmessage = ({ data: { id, what, values } }) => {
  last = last.then(() => jobs[what](values)).then(
    (result) => self.postMessage({ id, result }),
    (error) => self.postMessage({ id, error: error.message }),
  );
};
