// This device's camera as the page offers it: started, stopped, chosen, and mirrored.

import { Camera, cameraErrorWords, cameraProblem } from "./live-camera.js";
import { byId, cover } from "./live-words.js";

const BEGIN = "Follow anything this device’s camera sees, or in a video file. Pictures go to your server, and nowhere else.";
const OFF = "The camera is off. Your targets are kept as long as this page is open.";

/**
 * `parts`: {link, kept, keep, shows} with shows() whether there is a picture. `on` is told: filmed(presented) and changed();
 * wanted() says whether the camera is wanted now, before() which session it had, otherActs() what else can be begun with.
 */
export class CameraDesk {
  constructor(parts, on) {
    Object.assign(this, parts);
    this.on = on;
    this.camera = new Camera(byId("video"), on.filmed, () => this.#off("The camera was taken away."));
    this.camera.longest = this.kept.side ?? this.camera.longest;
    this.camera.mirror = this.kept.mirror ?? false;
    byId("side").value = this.camera.longest;
    byId("side").onchange = (event) => this.#set("side", "longest", Number(event.target.value));
    byId("mirror").onclick = () => this.#set("mirror", "mirror", !this.camera.mirror);
    byId("camera-switch").onclick = () => (this.camera.on ? this.#stop() : this.start());
    byId("camera").onchange = (event) => {
      this.keep({ camera: event.target.value });
      this.start();
    };
  }

  /** Go on with the camera if it was on, or offer it. */
  begin() {
    if (this.kept.cameraOn && !cameraProblem()) this.start();
    else this.#offer(cameraProblem() || BEGIN);
  }

  async start() {
    if (!this.shows()) cover("Starting the camera …");
    try {
      await this.camera.start(this.kept.camera ?? "");
    } catch (error) {
      this.keep({ camera: "" });
      this.#off(cameraErrorWords(error));
      return;
    }
    if (!this.on.wanted()) {
      this.camera.stop(); // somebody changed his mind while the browser asked
      return;
    }
    this.keep({ cameraOn: true });
    byId("camera").replaceChildren(...(await this.camera.options()));
    if (!this.link.wanted) this.link.open("camera", this.on.before);
    this.on.changed();
  }

  #stop() {
    this.camera.stop();
    this.#off(OFF);
  }

  #off(words) {
    this.keep({ cameraOn: false });
    this.#offer(words);
    this.on.changed();
  }

  #offer(words) {
    cover(words, ...(cameraProblem() ? [] : [["Start camera", () => this.start()]]), ...this.on.otherActs());
  }

  #set(kept, name, value) {
    this.camera[name] = value;
    this.keep({ [kept]: value });
    this.on.changed();
  }
}
