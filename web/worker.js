// The tracker, in a thread of its own: one job after the other, in the order in which they were asked for.

import { onWebgpu, tracker } from "./track.js";

const LEAST_PX = 4; // shortest side of a box that can be learned
const MOST_THREADS = 4;
const QUICK_MS = 15; // a frame on the graphics card: the CPU need not be tried
const ERRORS = 3; // of the runtime are told, no warnings

// Threads need memory that they share, which browsers give only to pages served with certain headers: see sw.js.
// One core is left to the page: threads that wait for work keep theirs busy.
const wanted = new URLSearchParams(location.search); // ?engine=webgpu or wasm, and threads=N
const usable = Number(wanted.get("threads")) || Math.min(Math.max(1, navigator.hardwareConcurrency - 1), MOST_THREADS);
const threads = self.crossOriginIsolated ? usable : 1;

const ENGINES = {
  webgpu: { runtime: "jspi", options: onWebgpu },
  wasm: { runtime: "wasm", options: { executionProviders: ["wasm"] } },
};

const known = new Map(); // name -> what is known of a target
let last = Promise.resolve();
let used = null; // the tracker

async function start(engine) {
  const { runtime, options } = ENGINES[engine];
  const ort = await import(`./ort/ort.${runtime}.min.mjs`);
  ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  ort.env.wasm.numThreads = threads;
  return { engine, ...(await tracker(ort, { ...options, logSeverityLevel: ERRORS })) };
}

function use(tracker) {
  used = tracker;
  self.postMessage({ engine: used.engine, threads });
}

/** Whether there is a graphics card, and what the runtime's build for it asks of a browser. */
async function hasCard() {
  const adapter = WebAssembly.Suspending && (await navigator.gpu?.requestAdapter());
  return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
}

/** Milliseconds of a frame. */
async function pace({ learn, follow }) {
  const image = new ImageData(320, 240);
  let now = await learn(image, [140, 100, 40, 40]);
  const times = [];
  for (let i = 0; i < 4; i++) {
    const begun = performance.now();
    ({ known: now } = await follow(image, now));
    times.push(performance.now() - begun);
  }
  return Math.min(...times);
}

/** The tracker on the graphics card, if there is one that is faster than the CPU. */
async function quickest() {
  const engine = wanted.get("engine");
  const tried = engine ? engine === "webgpu" : await hasCard().catch(() => false);
  const onCard = tried && (await start("webgpu").catch(() => null));
  const ms = onCard && !engine ? await pace(onCard).catch(() => Infinity) : 0;
  if (onCard && ms < QUICK_MS) return onCard;
  const onCpu = await start("wasm");
  return onCard && ms < (await pace(onCpu)) ? onCard : onCpu;
}

/** Learn or follow; without the graphics card once it fails, as browsers may take it away. */
async function run(what, ...given) {
  try {
    return await used[what](...given);
  } catch (error) {
    if (used.engine !== "webgpu") throw error;
    use(await start("wasm"));
    return used[what](...given);
  }
}

const jobs = {
  async load() {
    use(await quickest());
  },

  async learn({ image, name, box: [x, y, w, h] }) {
    const inside = (value, limit) => Math.min(Math.max(value, 0), limit);
    const [left, right] = [Math.min(x, x + w), Math.max(x, x + w)].map((value) => inside(value, image.width));
    const [top, bottom] = [Math.min(y, y + h), Math.max(y, y + h)].map((value) => inside(value, image.height));
    if (Math.min(right - left, bottom - top) < LEAST_PX) throw new Error(`the box is too small: ${LEAST_PX} pixels a side are needed`);
    const box = [left, top, right - left, bottom - top];
    known.set(name, await run("learn", image, box));
    return box;
  },

  async follow({ image }) {
    const seen = [];
    for (const name of [...known.keys()]) {
      const { known: now, ...found } = await run("follow", image, known.get(name));
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
