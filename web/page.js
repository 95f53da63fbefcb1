// The page that tracks by itself: what happens when. How it is drawn and said is shared with the live page.

import { Follower } from "./follower.js";
import { Camera, cameraErrorWords } from "./live-camera.js";
import { listenForKeys } from "./live-keys.js";
import { Figures, TargetList } from "./live-panel.js";
import { Picture } from "./live-picture.js";
import { Plot } from "./live-plot.js";
import { Show } from "./live-show.js";
import { Targets } from "./live-targets.js";
import { byId, cover, hint, hintBy, say, sentence } from "./live-words.js";
import { Results } from "./results.js";

const TRAIL = 60; // numbers of a target's last middles, x and y
const RECENT_MS = 2000;
const SILENT_MS = 1000;
const MOST_TRIES = 4; // of going back to one frame: there may be none at that time
const [SLOWEST, FASTER] = [0.0625, 1.05]; // of a file's own pace; how much faster it plays after each frame
const START = "Drop a video here, or start the camera. No frame leaves this browser.";

const ACTS = [["Start camera", startCamera], ["Open a video", () => byId("file").click()]];

const video = byId("video");
const follower = new Follower();
const results = new Results();
const tracked = new Map(); // name -> {name, number, box, score, state, trail}
let source = ""; // "camera", "file", or "" for none
let ready = false;
let paused = false;
let busy = false; // the tracker has a frame
let count = 0; // targets so far
let last = -1; // number of the newest frame that was looked at
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

// What the live page sends to its server is done here.
const asked = { hold, add, reselect: add, remove };
const link = { send: (what, values = {}) => (asked[what]?.(values), true) };
const targets = new Targets({ picture, show, link, list }, () => (ready ? "" : "The tracker is still loading."), () => {
  goOn();
  figures.restart();
  hint();
});

const ended = () => source === "file" && video.ended;

hintBy(() => {
  if (!picture.item) return "";
  if (targets.pencil.keys) return "Arrows move the box, with Shift they change its size; Enter takes it, Esc gives up.";
  if (targets.again) return `Draw ${targets.titleOf(targets.again)} again: drag a box around it. Esc gives up.`;
  if (ended()) return "The video has ended.";
  if (paused) return "Paused: drag a box around anything, then press Play.";
  return targets.all.length ? "Tap a box to select its target." : "Drag a box around anything, and it is followed.";
});

function refresh() {
  const usable = ready && Boolean(show.newest);
  for (const id of ["pause", "draw"]) byId(id).disabled = !usable;
  byId("draw").disabled ||= ended();
  byId("download").disabled = results.empty;
  byId("pause").firstElementChild.textContent = ended() ? "Play again" : paused ? "Play" : "Pause";
  byId("camera-switch").textContent = camera.on ? "Stop camera" : "Start camera";
  byId("cameras").hidden = !camera.on || byId("camera").options.length < 2;
  hint();
}

// Targets.

/** A file waits for the hand that draws; a camera cannot. */
function hold() {
  if (source === "file") video.pause();
}

function goOn() {
  if (source !== "file" || paused || show.frozen) return;
  if (video.ended) refresh(); // a video that is stopped at its end does not tell
  else play();
}

async function add({ box, name = "" }) {
  const { image, scene } = picture.item;
  const number = tracked.get(name)?.number ?? ++count;
  const added = name || `target-${number}`;
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
  targets.thaw();
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
  if (busy || (paused && show.newest)) return;
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
  done = [...done.filter((at) => now - at < RECENT_MS), now];
  const fps = done.length > 1 ? (1000 * (done.length - 1)) / (now - done[0]) : 0;
  const { width, height } = canvas;
  const scene = { index, timeS, width, height, fps, tracking_ms: tracked.size ? now - grabbedAt : 0, targets: copies() };
  show.offer({ image: canvas, seq: index, scene, latency: (at) => at - grabbedAt, release: () => camera.giveBack(canvas) });
}

const copies = () => [...tracked.values()].map((target) => ({ ...target }));

function failed(error) {
  say(sentence(error.message), "error");
}

function fromCamera(presented) {
  cameraStart ??= { presented, at: performance.now() };
  const index = presented - cameraStart.presented;
  if (paused) last = index; // frames of a pause are not missed
  filmed(index, (performance.now() - cameraStart.at) / 1000);
}

function drawn(item, now) {
  const { scene } = item;
  if (item.timed) figures.add(scene, item.latency(now), { dropped: skipped, frames: last + 1, skipped: 0 }, now);
  if (!byId("cover").hidden) cover("");
  plot.add(scene.targets, now);
  targets.set(scene.targets.filter(({ name }) => tracked.has(name)));
  refresh();
  picture.canvas.dispatchEvent(new CustomEvent("siamtrack:drawn", { detail: { scene } }));
}

// Video.

function begin(kind, name) {
  camera.stop();
  video.pause();
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  forgetTargets();
  results.clear();
  show.clear();
  plot.clear();
  figures.clear();
  [source, paused, last, skipped, count, done, cameraStart] = [kind, false, -1, 0, 0, [], null];
  byId("source").textContent = byId("source").title = name;
}

async function startCamera() {
  begin("camera", "");
  if (!navigator.mediaDevices?.getUserMedia) return noVideo("Browsers give a camera only to https pages and to those of this machine (127.0.0.1).");
  cover("Starting the camera …");
  try {
    await camera.start(byId("camera").value);
  } catch (error) {
    return noVideo(cameraErrorWords(error));
  }
  const cameras = await camera.list();
  byId("camera").replaceChildren(...cameras.map(({ id, label, used }) => new Option(label, id, used, used)));
  refresh();
}

async function openFile(file) {
  begin("file", file.name);
  cover("Opening the video …");
  video.src = URL.createObjectURL(file);
  video.onerror = () => video.src && noVideo(`This browser cannot play ${file.name}: try H.264 in MP4, or VP9 in WebM.`);
  video.onended = refresh;
  watchFile(video.src);
  play();
}

/** Play a file; a pause that comes before it does is no error. */
function play() {
  video.play().catch(() => {});
}

/** A file waits for its tracker. Frames that went by before it could be stopped are gone back to, and it plays slower. */
function watchFile(src) {
  let [before, interval] = [-1, Infinity]; // time of the frame before; the shortest from one to the next, s
  let [rate, sought, tries, heardAt] = [1, -1, 0, 0];
  const next = async (_, { mediaTime }) => {
    if (video.src !== src) return;
    if (before >= 0 && mediaTime > before) interval = Math.min(interval, mediaTime - before);
    before = mediaTime;
    const index = interval < Infinity ? Math.round(mediaTime / interval) : 0;
    if (tracked.size) video.pause();
    tries = sought === last + 1 ? tries : 0;
    if (tracked.size && index > last + 1 && tries < MOST_TRIES) {
      [sought, tries] = [last + 1, tries + 1];
      rate = Math.max(SLOWEST, rate / 2);
      video.currentTime = (sought + 0.5) * interval;
    } else {
      if (index !== last) await filmed(index, mediaTime);
      rate = Math.min(1, rate * FASTER);
      video.playbackRate = tracked.size ? rate : 1;
      if (tracked.size) goOn();
    }
    heardAt = performance.now();
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
  // A browser that has nothing new to show does not call back.
  const timer = setInterval(() => {
    if (video.src !== src) clearInterval(timer);
    else if (tracked.size && !busy && !video.seeking && performance.now() - heardAt > SILENT_MS) goOn();
  }, SILENT_MS);
}

function noVideo(words) {
  begin("", "");
  cover(`${words} Drop a video here, or start the camera.`, ...ACTS);
  refresh();
}

function pause() {
  if (ended()) {
    forgetTargets(); // they were followed to the end: in the beginning they are elsewhere
    [paused, last] = [false, -1];
    play();
  } else {
    paused = !paused;
    if (source === "file") paused ? video.pause() : play();
  }
  refresh();
}

const controls = { pause, draw: () => targets.drawByKeys(), download: () => results.download() };
for (const [id, act] of Object.entries(controls)) byId(id).onclick = act;
byId("help-open").onclick = () => byId("help").showModal();
byId("help-close").onclick = () => byId("help").close();
byId("camera-switch").onclick = () => (camera.on ? noVideo("The camera is off.") : startCamera());
byId("camera").onchange = startCamera;
byId("open").onclick = () => byId("file").click();
byId("file").onchange = ({ target }) => target.files[0] && openFile(target.files[0]);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  if (file) openFile(file);
});
document.addEventListener("visibilitychange", () => figures.restart());
listenForKeys(targets, controls);

/** Be there without a network, and with threads: both are the service worker's, which the first visit only installs. */
async function keep() {
  if (!navigator.serviceWorker) return;
  await navigator.serviceWorker.register("sw.js");
  await navigator.serviceWorker.ready;
  if (crossOriginIsolated || sessionStorage.getItem("siamtrack-reloaded")) return;
  sessionStorage.setItem("siamtrack-reloaded", "yes");
  location.reload();
  await new Promise(() => {});
}

async function load() {
  const state = (name, words) => {
    byId("link").dataset.state = name;
    byId("link").lastChild.textContent = words;
  };
  await keep().catch(() => {}); // it works without: once, and with one thread
  cover(START, ...ACTS);
  try {
    const threads = await follower.load();
    ready = true;
    state("open", threads > 1 ? `ready, ${threads} threads` : "ready");
  } catch (error) {
    state("lost", "no tracker");
    cover(sentence(`The tracker cannot be loaded: ${error.message}`));
  }
  refresh();
}

load();
