// A video file of this device: opened or dropped, sent, gone through on its timeline.

import { listenForFiles } from "./live-keys.js";
import { Timeline } from "./live-timeline.js";
import { sendVideo, takeSample } from "./live-upload.js";
import { byId, cover, say, sentence } from "./live-words.js";

const LIMITS = "Drop a video here, or open one: it is sent to your server, tracked there, and removed when you are done.";

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
