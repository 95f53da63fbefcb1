// A video file of this device: opened or dropped, sent, gone through on its timeline.

import { listenForFiles } from "./live-keys.js";
import { Timeline } from "./live-timeline.js";
import { byId, cover, say, sentence } from "./live-words.js";

const LIMITS = "Drop a video here, or open one: it is sent to your server, tracked there, and removed when you are done.";
const PIECE = 2 ** 21;
const TRIES = 4;
const WAIT_MS = 700;

/**
 * `parts`: {link, targets, server}. `on` is told: begin() when a file was chosen, opened(session) when the server has it;
 * wanted() says whether it is still wanted then.
 */
export class FilmDesk {
  constructor(parts, on) {
    Object.assign(this, parts);
    this.on = on;
    this.timeline = new Timeline((index) => this.link.send("seek", { index }));
    byId("file-open").onclick = () => byId("file").click();
    listenForFiles((file) => this.open(file));
  }

  /** What can be done to have a video file, for `cover`. */
  acts() {
    const file = ["Open a video file", () => byId("file").click()];
    return [file, ...(this.server.sample ? [["Try a sample", () => this.open(null)]] : [])];
  }

  offer(problem = "") {
    cover(problem ? `${sentence(problem)} ${LIMITS}` : LIMITS, ...this.acts());
  }

  /** Have a file tracked; null for the server's sample. */
  async open(file) {
    this.on.begin();
    const tell = (share) => cover(`Sending ${file?.name ?? "the sample"} … ${Math.round(100 * share)} %`);
    tell(0);
    try {
      const session = await (file ? sendVideo(file, tell) : takeSample());
      if (!this.on.wanted()) return; // somebody changed his mind meanwhile
      cover("Waiting for the first picture …");
      this.on.opened(session);
    } catch (error) {
      if (this.on.wanted()) this.offer(error.message);
    }
  }

  get hint() {
    if (!this.targets.all.length && !this.timeline.tracks.length) return "Draw a box around anything, then track on, or backward.";
    return "Wrong here? Select the target, draw it again, and track on from here.";
  }

  /** What the buttons of the timeline do, by their ids, while `active()`; `backward()` says whether it goes backward now. */
  controls(active, backward) {
    const { link, timeline } = this;
    const acts = {
      "back-one": () => link.send("seek", { index: Math.max(0, timeline.index - 1) }),
      backward: () => (backward() ? link.send("pause", { on: true }) : link.send("backward")),
      "place-before": () => timeline.next(-1) || say("There is no place before this one."),
      "place-next": () => timeline.next(1) || say("There is no place behind this one."),
    };
    return Object.fromEntries(Object.entries(acts).map(([id, act]) => [id, () => active() && act()]));
  }
}

/** Send a file in pieces, of which one that got lost is sent again; `progress(share)` is told. Resolves to the session's name, rejects with words for the user. */
async function sendVideo(file, progress) {
  const query = new URLSearchParams({ title: file.name, size: file.size });
  const { upload } = await ask("POST", `videos?${query}`);
  let answer = {};
  for (let at = 0; at < file.size; at += PIECE) {
    progress(at / file.size);
    answer = await ask("PUT", `videos/${upload}?at=${at}`, file.slice(at, at + PIECE));
  }
  progress(1);
  return answer.session;
}

/** Have the server's sample; resolves and rejects as `sendVideo`. */
async function takeSample() {
  return (await ask("POST", "sample")).session;
}

async function ask(method, path, body) {
  for (let tried = 1; ; tried++) {
    const answer = await fetch(path, { method, body }).catch(() => null);
    if (answer?.ok) return answer.json();
    if (answer) throw new Error((await answer.text()).trim().slice(0, 300));
    if (tried === TRIES) throw new Error("the server does not answer");
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS * tried));
  }
}
