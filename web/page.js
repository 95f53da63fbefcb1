// The page that tracks by itself: what happens when. How it is drawn and said is shared with the live page.

import { Follower } from "./follower.js";
import { Camera, cameraErrorWords } from "./live-camera.js";
import { listenForControls, listenForFiles } from "./live-keys.js";
import { Figures, TargetList } from "./live-panel.js";
import { Picture } from "./live-picture.js";
import { Plot } from "./live-plot.js";
import { Show } from "./live-show.js";
import { Targets } from "./live-targets.js";
import { byId, cover, hint, hintBy, say, sentence } from "./live-words.js";
import { Results } from "./results.js";
import { VideoFile } from "./video-file.js";

const TRAIL = 60; // numbers of a target's last middles, x and y
const RECENT_MS = 2000;
const START = "Start the camera, open a video or drop one here.";

const ACTS = [["Start camera", startCamera], ["Open a video", () => byId("file").click()]];

const video = byId("video");
const follower = new Follower(({ engine, threads }) => {
  linkState("open", engine === "webgpu" ? "ready, WebGPU" : threads > 1 ? `ready, ${threads} threads` : "ready");
});
const results = new Results();
const tracked = new Map(); // name -> {name, number, box, score, state, trail}
let ready = false;
let paused = false;
let busy = false; // the tracker has a frame
let learning = 0; // targets that the tracker is being taught
let count = 0; // targets so far
let last = -1; // number of the newest frame that was looked at
let newest = [-1, 0]; // number and time of the camera's newest frame
let skipped = 0;
let done = []; // when the last frames were tracked

const picture = new Picture(byId("picture"), byId("stage"));
const show = new Show(picture, drawn);
const plot = new Plot(byId("plot"));
const figures = new Figures();
const list = new TargetList({
  select: (name) => targets.toggle(name),
  again: (name) => targets.drawAgain(name),
  remove: (name) => targets.remove(name),
});
const camera = new Camera(video, fromCamera, () => noVideo("The camera was taken away."));
camera.longest = Infinity; // nothing is sent: boxes are of whole frames
let cameraStart = null; // {presented, at}: of its first frame
const file = new VideoFile(video, {
  follows: () => tracked.size > 0,
  waits: () => paused || show.frozen || learning > 0,
  frame: filmed,
  ended: refresh,
});

// What the live page sends to its server is done here.
const asked = { hold, add, reselect: add, remove };
const link = { send: (what, values = {}) => (asked[what]?.(values), true) };
const targets = new Targets({ picture, show, link, list }, () => (ready ? "" : "The tracker is still loading."), () => {
  file.goOn();
  figures.restart();
  hint();
});

hintBy(() => {
  if (!picture.item) return "";
  if (targets.drawingHint) return targets.drawingHint;
  if (file.ended) return "The video has ended.";
  if (paused) return "Paused: drag a box around anything, then press Play.";
  return targets.all.length ? "Tap a box to select its target." : "Drag a box around anything, and it is followed.";
});

function refresh() {
  const usable = ready && Boolean(show.newest);
  for (const id of ["pause", "draw"]) byId(id).disabled = !usable;
  byId("draw").disabled ||= file.ended;
  byId("download").disabled = results.empty;
  byId("pause").firstElementChild.textContent = file.ended ? "Play again" : paused ? "Play" : "Pause";
  byId("camera-switch").textContent = camera.on ? "Stop camera" : "Start camera";
  byId("cameras").hidden = !camera.on || byId("camera").options.length < 2;
  hint();
}

// Targets.

/** A file waits for the hand that draws; a camera cannot. */
function hold() {
  if (file.open) file.pause();
}

async function add({ box, name = "" }) {
  const { image, scene } = picture.item;
  const number = tracked.get(name)?.number ?? ++count;
  const added = name || `target-${number}`;
  learning += 1;
  if (file.open && !tracked.size) {
    file.goBack(scene.index, scene.timeS); // it may have gone on before the hand had drawn
    show.drop();
  }
  try {
    const used = await follower.learn(added, pixelsOf(image), box);
    const target = { name: added, number, box: used, score: 1, state: "TRACKING", trail: [] };
    tracked.set(added, target);
    results.add(target, scene.index, scene.timeS);
    targets.set([...tracked.values()]);
    targets.select(added);
    say(`${targets.titleOf(added)} is followed${name ? " from its new box" : ""}.`);
  } catch (error) {
    say(sentence(error.message), "error");
  }
  learning -= 1;
  targets.thaw();
  file.goOn(); // the picture may not have waited so long
  redraw();
}

function remove({ name }) {
  follower.forget(name);
  tracked.delete(name);
  redraw();
}

/** Targets came or went between two frames. */
function redraw() {
  targets.set([...tracked.values()]);
  if (picture.item) picture.item.scene.targets = [...tracked.values()];
  picture.draw();
  refresh();
}

function forgetTargets() {
  targets.removeAll(); // what was removed a moment ago
  for (const name of tracked.keys()) follower.forget(name);
  tracked.clear();
  targets.set([]);
}

// Frames.

function pixelsOf(canvas) {
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
}

/** A frame is shown: it is tracked, unless the one before still is. */
async function filmed(index, timeS) {
  if (busy || (paused && camera.on && show.newest)) return;
  const canvas = camera.grab();
  if (!canvas) return;
  busy = true;
  if (tracked.size) skipped += Math.max(0, index - last - 1);
  last = index;
  const grabbedAt = performance.now();
  const seen = tracked.size ? await follower.follow(pixelsOf(canvas)).catch(failed) : [];
  const now = performance.now();
  busy = false;
  for (const found of seen ?? []) {
    const target = tracked.get(found.name);
    if (!target) continue; // it was removed meanwhile
    const [x, y, w, h] = (target.box = Array.from(found.box));
    Object.assign(target, { score: found.score, state: found.state, trail: [...target.trail, x + w / 2, y + h / 2].slice(-TRAIL) });
    results.add(target, index, timeS);
  }
  done = tracked.size ? [...done.filter((at) => now - at < RECENT_MS), now] : [];
  const fps = done.length > 1 ? (1000 * (done.length - 1)) / (now - done[0]) : 0;
  const { width, height } = canvas;
  const scene = { index, timeS, width, height, fps, tracking_ms: tracked.size ? now - grabbedAt : 0, targets: copies() };
  show.offer({ image: canvas, seq: index, scene, latency: (at) => at - grabbedAt, release: () => camera.giveBack(canvas) });
  if (camera.on && newest[0] > index) filmed(...newest); // it came meanwhile: the next one is a frame's time away
}

const copies = () => [...tracked.values()].map((target) => ({ ...target }));

function failed(error) {
  say(sentence(error.message), "error");
}

function fromCamera(presented) {
  cameraStart ??= { presented, at: performance.now() };
  const index = presented - cameraStart.presented;
  if (paused) last = index; // frames of a pause are not missed
  newest = [index, (performance.now() - cameraStart.at) / 1000];
  filmed(...newest);
}

function drawn(item, now) {
  const { scene } = item;
  if (item.timed) figures.add(scene, item.latency(now), { dropped: skipped, frames: last + 1, skipped: 0 }, now);
  if (!byId("cover").hidden) cover("");
  plot.add(scene.targets, now);
  targets.set([...tracked.values()]);
  refresh();
  picture.canvas.dispatchEvent(new CustomEvent("siamtrack:drawn", { detail: { scene } }));
}

// Video.

function begin(name = "") {
  camera.stop();
  file.close();
  forgetTargets();
  results.clear();
  show.clear();
  plot.clear();
  figures.clear();
  [paused, last, newest, skipped, count, done, cameraStart] = [false, -1, [-1, 0], 0, 0, [], null];
  byId("source").textContent = byId("source").title = name;
}

async function startCamera() {
  begin();
  if (!navigator.mediaDevices?.getUserMedia) return noVideo("Browsers give a camera only to https pages and to those of this machine (127.0.0.1).");
  cover("Starting the camera …");
  try {
    await camera.start(byId("camera").value);
  } catch (error) {
    return noVideo(cameraErrorWords(error));
  }
  byId("camera").replaceChildren(...(await camera.options()));
  refresh();
}

function openFile(chosen) {
  begin(chosen.name);
  cover("Opening the video …");
  file.start(chosen, () => noVideo(`This browser cannot play ${chosen.name}: try H.264 in MP4, or VP9 in WebM.`));
}

function noVideo(words) {
  begin();
  cover(`${words} ${START}`, ...ACTS);
  refresh();
}

function pause() {
  if (file.ended) {
    forgetTargets(); // they were followed to the end: in the beginning they are elsewhere
    [paused, last] = [false, -1];
    file.again();
  } else {
    paused = !paused;
    if (file.open) paused ? file.pause() : file.goOn();
  }
  refresh();
}

const controls = { pause, draw: () => targets.drawByKeys(), download: () => results.download() };
byId("camera-switch").onclick = () => (camera.on ? noVideo("The camera is off.") : startCamera());
byId("camera").onchange = startCamera;
byId("open").onclick = () => byId("file").click();
listenForFiles(openFile);
document.addEventListener("visibilitychange", () => figures.restart());
listenForControls(targets, controls);

/** Be there without a network, and with threads: both are the service worker's, which the first visit only installs. */
async function keep() {
  if (!navigator.serviceWorker) return;
  const { installing } = await navigator.serviceWorker.register("sw.js");
  // "ready" never comes of a worker that could not keep all files.
  const gone = new Promise((_, reject) => installing?.addEventListener("statechange", () => installing.state === "redundant" && reject()));
  await Promise.race([navigator.serviceWorker.ready, gone]);
  if (crossOriginIsolated || sessionStorage.getItem("siamtrack-reloaded")) return;
  sessionStorage.setItem("siamtrack-reloaded", "yes");
  location.reload();
  await new Promise(() => {});
}

function linkState(state, words) {
  byId("link").dataset.state = state;
  byId("link").lastChild.textContent = words;
}

async function load() {
  await keep().catch(() => {}); // it works without: once, and with one thread
  cover(`${START} No frame leaves this browser.`, ...ACTS);
  try {
    await follower.load();
    ready = true;
  } catch (error) {
    linkState("lost", "no tracker");
    cover(sentence(`The tracker cannot be loaded: ${error.message}`));
  }
  refresh();
}

load();
