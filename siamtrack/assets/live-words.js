// Words for the user: the line under the picture, the cover over it, and the banner on it.

const SAY_MS = 7000;

export const byId = (id) => document.getElementById(id);
export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
/** One sentence of a message that the server wrote without a full stop. */
export const sentence = (words) => `${capital(words)}${/[.!?…]$/.test(words) ? "" : "."}`;

let hintWords = () => "";
let timer = 0;

/** Say something for some seconds; `kind` is note or error. `file` {href, name} is offered behind it, a video to be played too. */
export function say(words, kind = "note", file = null) {
  write(words, kind);
  if (file) {
    const anchor = Object.assign(document.createElement("a"), { href: file.href, download: file.name, textContent: `Get ${file.name}` });
    byId("say").append(" ", anchor);
    if (file.name.endsWith(".mp4")) {
      const play = Object.assign(document.createElement("button"), { type: "button", className: "inline", textContent: "Play it" });
      play.onclick = () => playFile(file);
      byId("say").append(" ", play);
    }
  }
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = 0;
    hint();
  }, SAY_MS);
}

/** What stands there when there is nothing to say. */
export function hintBy(words) {
  hintWords = words;
}

/** Show the present hint, unless something else is being said; `now` takes its place. */
export function hint(now = false) {
  if (timer && !now) return;
  clearTimeout(timer);
  timer = 0;
  write(hintWords(), "hint");
}

function playFile({ href, name }) {
  byId("player-title").textContent = name;
  byId("player-video").src = href;
  byId("player").showModal();
}

function write(words, kind) {
  const line = byId("say");
  if (line.textContent === words && line.dataset.kind === kind) return; // a screen reader would read it again
  line.dataset.kind = kind;
  line.textContent = words;
}

/** Words for a screen reader alone: others see it. */
export function announce(words) {
  byId("announce").textContent = words;
}

/** Lay words over the picture, with a button if there is something to do; no words take the cover away. */
export function cover(words, button = "", act = null) {
  fill("cover", words, button, act);
}

/** Words on the picture, which is shown faint: it is not of now. */
export function banner(words, button = "", act = null, count = "") {
  fill("banner", words, button, act);
  byId("banner-count").textContent = count;
  byId("stage").classList.toggle("stale", Boolean(words));
}

function fill(id, words, button, act) {
  byId(id).hidden = !words;
  if (byId(`${id}-words`).textContent !== words) byId(`${id}-words`).textContent = words;
  const focused = document.activeElement === byId(`${id}-do`);
  byId(`${id}-do`).hidden = !button;
  if (focused && (!words || !button)) byId("picture").focus({ preventScroll: true }); // else it falls to nothing
  byId(`${id}-do`).textContent = button;
  byId(`${id}-do`).onclick = act;
}
