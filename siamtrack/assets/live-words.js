// Words for the user: the line under the picture, the cover over it, and the banner on it.

const SAY_MS = 7000;

export const byId = (id) => document.getElementById(id);
/** With a capital letter, unless a file's name comes first: `clip.mp4 breaks off`. */
export const capital = (words) =>
  /^[\p{L}'’-]+(?=[,;:.!?…]?(\s|$))/u.test(words) ? words.charAt(0).toUpperCase() + words.slice(1) : words;
/** One sentence of a message that the server wrote without a full stop. */
export const sentence = (words) => `${capital(words)}${/[.!?…]$/.test(words) ? "" : "."}`;

let hintWords = () => "";
let timer = 0;

/**
 * Say something for some seconds; `kind` is note or error. Offered behind it: a `file` {href, name}, which is played too if it
 * is a video, or an `act` [label, function].
 */
export function say(words, kind = "note", { file = null, act = null } = {}) {
  write(words, kind);
  if (file) {
    byId("say").append(" ", make("a", { href: file.href, download: file.name, textContent: `Get ${file.name}` }));
    if (file.name.endsWith(".mp4")) act = ["Play it", () => playFile(file)];
  }
  if (act) byId("say").append(" ", button(act[0], "inline", act[1]));
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

/** Lay words over the picture, with buttons for what there is to do: [label, function]; no words take the cover away. */
export function cover(words, ...acts) {
  fill("cover", words, acts);
}

/** Words on the picture, which is shown faint: it is not of now. */
export function banner(words, acts = [], count = "") {
  fill("banner", words, acts);
  byId("banner-count").textContent = count;
  byId("stage").classList.toggle("stale", Boolean(words));
}

function fill(id, words, acts) {
  byId(id).hidden = !words;
  if (byId(`${id}-words`).textContent !== words) byId(`${id}-words`).textContent = words;
  const row = byId(`${id}-acts`);
  const labels = acts.map(([label]) => label).join("\n");
  if (row.dataset.labels === labels) {
    acts.forEach(([, act], i) => (row.children[i].onclick = act)); // the same buttons stay, and with them the focus
  } else {
    const focused = row.contains(document.activeElement);
    row.dataset.labels = labels;
    row.replaceChildren(...acts.map(([label, act], i) => button(label, i ? "" : "main", act)));
    if (row.firstChild) row.firstChild.id = `${id}-do`;
    if (focused) (row.firstChild ?? byId("picture")).focus({ preventScroll: true });
  }
  if (!words && row.contains(document.activeElement)) byId("picture").focus({ preventScroll: true }); // else it falls to nothing
}

export const button = (label, className, act) => make("button", { type: "button", className, textContent: label, onclick: act });

/** An element with these values and children. */
export function make(tag, values = {}, ...children) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...children);
  return made;
}
