// The live page: what happens when. How it is drawn, filmed, sent and said is in the files that are imported here.

import { cameraProblem } from "./live-camera.js";
import { CameraDesk } from "./live-camera-desk.js";
import { FilmDesk } from "./live-film.js";
import { Flight } from "./live-flight.js";
import { listenForControls } from "./live-keys.js";
import { Link, about } from "./live-link.js";
import { Figures, TargetList, askName } from "./live-panel.js";
import { Picture } from "./live-picture.js";
import { Plot } from "./live-plot.js";
import { Show } from "./live-show.js";
import { Targets } from "./live-targets.js";
import { banner, byId, cover, hint, hintBy, make, say, sentence } from "./live-words.js";

const BUTTONS = [
  ...["pause", "step", "draw", "record", "shot", "download", "finish"],
  ...["back-one", "backward", "place-before", "place-next"],
];
const LINK_WORDS = { connecting: "connecting", open: "connected", lost: "no connection", stopped: "stopped", off: "not started", gone: "not started" };
const NO_STATUS = { state: "", problem: "", paused: false, backward: false, recording: false, live: true, clients: 1 };

// What a reload must not lose. Each tab has its own.
const kept = JSON.parse(sessionStorage.getItem("siamtrack") ?? "{}");
const keep = (values) => sessionStorage.setItem("siamtrack", JSON.stringify(Object.assign(kept, values)));

const server = { source: "", sample: false, forms: [] };
let status = { ...NO_STATUS };
let mode = "";
let open = false;
let session = "";
let stepAsked = false;
let hiddenAt = 0; // when this page was hidden while it tracked its camera; 0: it was not
let unanswered = []; // pictures of the server's, which it may count as seen once the newest is drawn
let sourceCounts = { dropped: 0, frames: 0, skipped: 0 };

const picture = new Picture(byId("picture"), byId("stage"));
const show = new Show(picture, drawn);
const plot = new Plot(byId("plot"));
const figures = new Figures();
const list = new TargetList({
  select: (name) => targets.toggle(name),
  again: (name) => targets.drawAgain(name),
  rename: (name) => targets.named(name) && askName(targets.named(name), (to, color) => link.send("rename", { name, to, color })),
  remove: (name) => targets.remove(name),
});
const link = new Link({ text: heard, picture: arrived, state: linkState });
const desk = new CameraDesk({ link, kept, keep, shows: () => Boolean(picture.item) }, {
  filmed: (presented) => {
    if (flight.filmed(presented)) stepAsked = false;
  },
  wanted: () => mode === "camera",
  changed: () => refresh(),
  before: () => before(),
  otherActs: () => film.acts(),
});
const { camera } = desk;
const flight = new Flight(camera, link, () => open && mode === "camera" && (!status.paused || stepAsked));

const targets = new Targets({ picture, show, link, list }, noDrawing, () => {
  figures.restart();
  hint();
});

const noPicture = () => mode === "source" && ["reconnecting", "silent"].includes(status.state);
const film = new FilmDesk({ link, targets, server }, {
  begin: () => {
    keepFilm("");
    setMode("film");
  },
  wanted: () => mode === "film",
  opened: (session) => {
    keepFilm(session);
    link.open("film", before);
  },
});
const ended = () => mode === "source" && status.state === "ended";
const paused = () => status.paused || ended();

hintBy(() => {
  if (!picture.item || !open) return "";
  if (targets.drawingHint) return targets.drawingHint;
  if (mode !== "camera" && status.problem && !noPicture()) return sentence(status.problem);
  if (mode === "film" && paused()) return film.hint;
  if (paused()) return targets.all.length ? "Paused." : "Paused: drag a box around anything, then press Play.";
  if (!targets.all.length) return "Drag a box around anything, and it is followed.";
  return status.clients > 1 ? `${status.clients} pages watch and steer this video.` : "Tap a box to select its target.";
});

/** Bring buttons and words up to date. */
function refresh() {
  // With the camera off there is a picture, but it is covered: nothing should be drawn on it.
  const usable = open && Boolean(show.newest) && (mode !== "camera" || camera.on);
  for (const id of BUTTONS) byId(id).disabled = !usable;
  for (const id of ["step", "draw", "record", "shot"]) byId(id).disabled ||= ended();
  byId("pause").disabled ||= ended() && status.live;
  const isFilm = mode === "film";
  const play = isFilm ? "Track on" : ended() && !status.live ? "Play again" : "Play";
  byId("pause").firstElementChild.textContent = paused() ? play : "Pause";
  byId("backward").setAttribute("aria-pressed", String(status.backward));
  byId("film").hidden = !isFilm || !picture.item;
  byId("finish").hidden = isFilm;
  byId("file-open").hidden = !isFilm || !picture.item;
  byId("mirror").setAttribute("aria-pressed", String(camera.mirror));
  byId("record").setAttribute("aria-pressed", String(status.recording));
  byId("record").querySelector(".words").textContent = status.recording ? "Stop" : isFilm ? "Save clip" : "Record";
  byId("targets").inert = !usable;
  byId("camera-box").hidden = mode !== "camera";
  byId("camera-switch").textContent = camera.on ? "Stop camera" : "Start camera";
  byId("camera-switch").disabled = mode === "camera" && Boolean(cameraProblem());
  byId("cameras").hidden = byId("camera").options.length < 2;
  byId("source").textContent = mode === "source" ? server.source.split("/").pop() : "";
  byId("source").title = mode === "source" ? server.source : "";
  for (const button of byId("modes").children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  byId("finish").disabled ||= !targets.all.length && !status.recording;
  byId("link").lastChild.textContent = open && noPicture() ? "no picture" : LINK_WORDS[byId("link").dataset.state];
  document.title = hiddenAt ? "Not tracking – siamtrack live" : "siamtrack live";
  hint();
}

function noDrawing() {
  if (!open || !ended()) return "";
  return sentence(status.live ? status.problem : "The video has ended: play it again to draw targets");
}

// What the server says.

function linkState(state, words, count) {
  open = state === "open";
  byId("link").dataset.state = state;
  const again = ["Try now", () => link.retry()];
  if (state === "gone") {
    keepFilm("");
    film.offer(words);
  } else if (state === "lost" && picture.item) banner(words, [again], count);
  else if (state === "lost") cover(`${words} ${count}`, again);
  else if (state === "stopped") banner(words, [["Use it here", () => link.open(mode, before)]]);
  else if (state !== "connecting") banner("");
  if (!open) {
    targets.pencil.cancel();
    show.forget();
    flight.forget();
    figures.restart();
    unanswered = [];
  }
  refresh();
}

const keepFilm = (session) => keep({ sessions: { ...kept.sessions, film: session } });
const before = () => kept.sessions?.[mode] ?? "";

function heard(message) {
  if (message.type === "welcome") welcome(message);
  else if (message.type === "status") {
    status = { ...message, paused: mode === "camera" ? status.paused : message.paused };
    if (mode === "film") film.timeline.grow(status.count, status.filled);
    banner(noPicture() ? `${sentence(status.problem)} The boxes are of the last picture.` : "");
    refresh();
  } else if (message.type === "scene") {
    if (show.change(message.scene)) targets.set(message.scene.targets);
    refresh();
  } else if (message.type === "tracks") film.timeline.set(message.tracks);
  else if (message.type === "result") tracked(message);
  else if (message.type === "skipped") flight.skipped(message.seq);
  else if (message.type === "error") {
    say(sentence(message.message), "error");
    if (message.about === "add" || message.about === "reselect") targets.thaw();
  } else if (message.type === "done") done(message);
}

function welcome(message) {
  const restarted = kept.server && kept.server !== message.server;
  const over = before() && !message.resumed;
  if (restarted || over) {
    offerEarlier(before());
    say(`${restarted ? "The server was restarted" : "Your session had ended"}: draw the targets again.`, "error");
    plot.clear();
    figures.clear();
  }
  keep({ server: message.server, sessions: { ...kept.sessions, [mode]: message.session } });
  session = message.session;
  byId("folder").textContent = `Results: ${message.folder}`;
  targets.set(message.scene?.targets ?? []);
  if (!picture.item) cover("Waiting for the first picture …");
  refresh();
}

/** What a session wrote that has ended can still be fetched. */
async function offerEarlier(name) {
  const href = `sessions/${name}/results.zip`;
  const answer = name && (await fetch(href, { method: "HEAD" }).catch(() => null));
  byId("earlier").hidden = !answer?.ok;
  byId("earlier-get").href = href;
}

function done({ about: what, name = "", file, on }) {
  const target = targets.titleOf(name);
  const found = { file: file ? { name: file, href: `sessions/${session}/files/${file}` } : null };
  if (what === "add") {
    targets.select(name);
    say(`${target} is followed.`);
  } else if (what === "reselect") say(`${target} is followed from its new box.`);
  else if (what === "remove") say(`${target} is finished.`);
  else if (what === "finish") say("All is finished and written.", "note", { file: { href: `sessions/${session}/results.zip`, name: "results.zip" } });
  else if (what === "rename") say(`${target} is its name now.`);
  else if (what === "screenshot") say("The screenshot is written.", "note", found);
  else if (what === "record") {
    const clip = mode === "film";
    if (on) say(clip ? "The clip is being written: every frame of it, with its boxes." : `Recording ${file}.`);
    else if (file || !clip) say(file ? `The ${clip ? "clip" : "recording"} is written.` : "Nothing was recorded.", "note", found);
  }
  if (what === "add" || what === "reselect") targets.thaw();
  refresh();
}

// Pictures: of the server's video, which come; of this camera, whose results come.

async function arrived(header, blob) {
  const { seq, scene, heardAt, age_ms, dropped, frames, skipped } = header;
  const from = session;
  const image = await createImageBitmap(blob).catch(() => null);
  if (!image || !open || mode === "camera" || from !== session || (show.newest?.seq ?? 0) > seq) {
    image?.close();
    link.send("ack", { seq });
    return;
  }
  sourceCounts = { dropped, frames, skipped };
  unanswered.push(seq);
  show.offer({ image, seq, scene, latency: (now) => age_ms + link.roundTripMs / 2 + now - heardAt, release: () => image.close() });
}

function tracked({ seq, scene, worked_ms, waited_ms }) {
  const sent = flight.back(seq, worked_ms, waited_ms);
  if (!sent) return;
  const { canvas, grabbedAt } = sent;
  show.offer({ image: canvas, seq, scene, latency: (now) => now - grabbedAt, release: () => camera.giveBack(canvas) });
}

function drawn(item, now) {
  const { scene, seq } = item;
  for (const seen of unanswered.splice(0)) link.send("ack", { seq: seen, word_ms: Math.min(link.wordMs, 60000) });
  const latencyMs = item.latency(now);
  if (item.timed) figures.add(scene, latencyMs, mode === "camera" ? flight.counts : sourceCounts, now);
  if (!byId("cover").hidden && (mode !== "camera" || camera.on)) cover("");
  if (mode === "film") film.timeline.show(scene.index, scene.time_s);
  if (byId("pause").disabled) refresh();
  plot.add(scene.targets, now);
  targets.set(scene.targets);
  picture.canvas.dispatchEvent(new CustomEvent("siamtrack:drawn", { detail: { seq, scene, latencyMs, timed: item.timed } }));
}

// Buttons.

function pause() {
  if (mode !== "camera") link.send("pause", { on: !paused() });
  else status.paused = !status.paused;
  refresh();
}

function step() {
  if (mode !== "camera") link.send("step");
  else status.paused = stepAsked = true;
  refresh();
}

async function download() {
  const form = byId("form").value;
  const answer = await fetch(`sessions/${session}/results.zip`, { method: "HEAD" }).catch(() => null);
  if (!answer?.ok) return say(answer ? "There are no results yet: draw a target first." : "The server does not answer.", "error");
  const href = form ? `sessions/${session}/labels/${form}.zip` : `sessions/${session}/results.zip`;
  make("a", { href, download: "" }).click();
  say(status.recording ? "Downloading the results up to now, without the recording that still runs." : "Downloading the results up to now.");
}

const controls = {
  pause,
  step,
  draw: () => targets.drawByKeys(),
  record: () => link.send("record", { on: !status.recording }),
  shot: () => link.send("screenshot"),
  download,
  finish: () => link.send("finish"),
  full: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  ...film.controls(() => mode === "film", () => status.backward),
};
document.onfullscreenchange = () => byId("full").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
addEventListener("pagehide", () => targets.removeAll());
byId("rename-close").onclick = () => byId("rename").close();
byId("rename-to").onkeydown = (event) => event.key === "Enter" && byId("rename-do").click();
byId("player-close").onclick = () => byId("player").close();
byId("player").onclose = () => byId("player-video").removeAttribute("src");
for (const button of byId("modes").children) button.onclick = () => button.dataset.mode !== mode && setMode(button.dataset.mode);
listenForControls(targets, controls);
document.addEventListener("visibilitychange", seen);

/** This page was hidden, or is seen again. A hidden page gets no pictures of a camera. */
function seen() {
  figures.restart();
  flight.rest();
  const tracks = open && mode === "camera" && camera.on && !status.paused && targets.all.length;
  if (document.hidden) hiddenAt = tracks ? performance.now() : 0;
  else if (hiddenAt) {
    const seconds = Math.round((performance.now() - hiddenAt) / 1000);
    hiddenAt = 0;
    if (seconds >= 1) say(`This page was hidden for ${seconds} s, in which nothing was tracked: browsers give hidden pages no camera.`, "error");
  }
  refresh();
}

// Beginning, and changing from one video to the other.

function setMode(to) {
  targets.removeAll();
  link.close();
  camera.stop();
  mode = to;
  keep({ mode });
  status = { ...NO_STATUS };
  linkState("off");
  show.clear();
  targets.set([]);
  plot.clear();
  figures.clear();
  film.timeline.clear();
  byId("folder").textContent = "";
  if (mode === "source") {
    cover("Connecting to the server …");
    link.open("source");
  } else if (mode === "film" && before()) {
    cover("Connecting to the server …");
    link.open("film", before);
  } else if (mode === "film") film.offer();
  else desk.begin();
  refresh();
}

async function begin() {
  if (location.search) history.replaceState(null, "", location.pathname); // the token is in a cookie by now
  for (;;) {
    try {
      Object.assign(server, await about());
      break;
    } catch (error) {
      cover(error.refused ? sentence(error.message) : "The server does not answer; it is asked again and again.");
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  for (const button of byId("modes").children) button.hidden = button.dataset.mode === "source" && !server.source;
  byId("modes").hidden = false;
  byId("form").append(...server.forms.map((form) => new Option(form.toUpperCase(), form)));
  const modes = server.source ? ["source", "camera", "film"] : ["camera", "film"];
  setMode(modes.includes(kept.mode) ? kept.mode : modes[0]);
}

begin();
