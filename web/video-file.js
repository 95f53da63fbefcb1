// A video file that waits for its tracker: every frame is seen, in order.

const SILENT_MS = 1000;
const MOST_TRIES = 4; // of going back to one frame
const [SLOWEST, FASTER] = [0.0625, 1.05]; // of the file's own pace; how much faster it plays after each frame
const LONGEST_S = 0.5; // that one frame is waited for by playing slower
const SHORTEST_S = 1 / 240; // from one frame to the next
const SAME_MS = 300; // after a seek: a browser that shows the same frame need not call back

/**
 * Plays in a `<video>`. `on` is asked and told: follows(), whether every frame is wanted; waits(), whether it is to stand still;
 * frame(index, timeS), which may take its time; ended().
 */
export class VideoFile {
  constructor(video, on) {
    Object.assign(this, { video, on });
    this.src = "";
  }

  get open() {
    return this.src !== "";
  }

  get ended() {
    return this.open && this.video.ended && !this.back;
  }

  /** Play a file from its first frame. */
  async start(file, onError) {
    const src = (this.src = this.video.src = URL.createObjectURL(file));
    [this.rate, this.heardAt, this.busy] = [1, 0, false];
    this.video.onerror = () => this.video.src && onError();
    this.video.onended = () => this.on.ended();
    this.#rewind();
    await this.#measure(src);
    if (this.src !== src) return;
    this.#listen(src);
    this.#wake(src);
    this.video.currentTime = 0;
    if (!this.on.waits()) this.play();
  }

  /** Let the file go. */
  close() {
    this.video.pause();
    if (this.open) URL.revokeObjectURL(this.src);
    this.src = "";
    this.video.removeAttribute("src");
  }

  /** Play; a pause that comes before it does is no error. */
  play() {
    this.video.play().catch(() => {});
  }

  pause() {
    this.video.pause();
  }

  again() {
    this.#rewind();
    this.play();
  }

  /** Go on behind a frame, as soon as that goes on; what came after it is seen again. */
  goBack(index, timeS) {
    Object.assign(this, { index, timeS });
    this.back = this.#next < this.video.duration;
  }

  /** Go on, unless there is something to wait for. */
  goOn() {
    if (!this.open || this.on.waits()) return;
    const passed = this.back && this.video.currentTime > this.#next;
    this.back = false;
    if (passed) this.video.currentTime = this.#next; // whose picture goes on
    else if (this.video.ended) this.on.ended(); // a video that is stopped at its end does not tell
    else this.play();
  }

  #rewind() {
    [this.index, this.timeS, this.gap, this.tries, this.back] = [-1, -1, false, 0, false];
  }

  /** Time in the middle of the frame behind the last one, s. */
  get #next() {
    return this.timeS + 1.5 * this.interval;
  }

  /** Time from the first frame to the second, s: twice the step that still shows the first one cannot be behind the second. */
  async #measure(src) {
    this.interval = 1 / 25;
    const first = await this.#frameAt(0);
    for (let step = SHORTEST_S; first >= 0 && step < this.video.duration && this.src === src; step *= 2) {
      const shown = await this.#frameAt(first + step);
      if (shown <= first || this.src !== src) continue;
      this.interval = shown - first;
      break;
    }
  }

  /** Time of the frame that is shown at a time, s; -1 if the browser does not tell. */
  #frameAt(timeS) {
    const { video } = this;
    return new Promise((resolve) => {
      const answer = (shown) => {
        clearTimeout(timer);
        video.cancelVideoFrameCallback(asked);
        resolve(shown);
      };
      const asked = video.requestVideoFrameCallback((_, { mediaTime }) => answer(mediaTime));
      let timer = setTimeout(answer, 10 * SILENT_MS, -1);
      const seeked = () => {
        clearTimeout(timer);
        timer = setTimeout(answer, SAME_MS, -1);
      };
      video.addEventListener("seeked", seeked, { once: true });
      video.currentTime = timeS;
    });
  }

  #listen(src) {
    this.video.requestVideoFrameCallback(async (_, { mediaTime }) => {
      if (this.src !== src) return;
      this.busy = true;
      await this.#shown(this.#timeOfPicture() ?? mediaTime);
      [this.busy, this.heardAt] = [false, performance.now()];
      if (this.src === src) this.#listen(src);
    });
  }

  /** Time of the frame that would be drawn now, s: on a busy machine another one than the callback is for. */
  #timeOfPicture() {
    if (!window.VideoFrame || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    const frame = new VideoFrame(this.video);
    const timeS = frame.timestamp / 1e6;
    frame.close();
    return timeS;
  }

  /** A frame is shown. Frames that went by before the file could be stopped are gone back to, and it plays slower. */
  async #shown(timeS) {
    if (this.back) return;
    const follows = this.on.follows();
    if (follows) this.pause();
    const passed = timeS - this.timeS;
    if (this.index >= 0 && passed > 0 && passed < 0.6 * this.interval) this.interval = passed;
    const steps = this.index < 0 ? Math.round(timeS / this.interval) + 1 : Math.round(passed / this.interval);
    if (follows && steps > 1 && !this.gap && this.tries < MOST_TRIES) {
      this.tries += 1;
      this.rate = Math.max(this.rate / 2, Math.min(1, Math.max(SLOWEST, this.interval / LONGEST_S)));
      this.video.currentTime = this.#next;
      return;
    }
    this.gap = steps === 0 && this.tries > 0; // nothing between the last frame and the next one
    if (steps !== 0) {
      Object.assign(this, { index: this.index + steps, timeS, tries: 0 });
      await this.on.frame(this.index, timeS);
    }
    this.rate = Math.min(1, this.rate * FASTER);
    this.video.playbackRate = this.on.follows() ? this.rate : 1;
    if (this.on.follows()) this.goOn();
  }

  /** A browser that has nothing new to show does not call back. */
  #wake(src) {
    const timer = setInterval(() => {
      const silent = !this.busy && !this.video.seeking && performance.now() - this.heardAt > SILENT_MS;
      if (this.src !== src) clearInterval(timer);
      else if (silent && this.on.follows()) this.goOn();
    }, SILENT_MS);
  }
}
