// This device's camera: its pictures as small canvases, when somebody wants one.

import { LEVELS } from "./live-line.js";

const SPARE = 6;

/** Why there can be no camera on this page, in one line; "" if there may be one. */
export function cameraProblem() {
  if (navigator.mediaDevices?.getUserMedia) return "";
  const port = location.port || "80";
  return (
    "Browsers give a camera only to https pages and to those of their own machine (127.0.0.1). Here, run " +
    `“ssh -L ${port}:127.0.0.1:${port} ${location.hostname}” and open the address that the server printed, with 127.0.0.1 ` +
    "in place of its host – or start the server with --source and watch its video."
  );
}

/** One line for an error of getUserMedia. */
export function cameraErrorWords(error) {
  const words = {
    NotAllowedError: "The browser did not allow the camera: allow it at the sign in the address bar, then start it again.",
    NotFoundError: "No camera was found on this device: plug one in, then start it again.",
    NotReadableError: "The camera does not answer: is it in use by another program?",
    OverconstrainedError: "This camera is not there any more: choose another one.",
  };
  return words[error.name] ?? `The camera cannot be started: ${error.message}`;
}

/** The camera. `onFrame(presented)` is called when there is a new picture, with the number of them so far. */
export class Camera {
  constructor(video, onFrame, onGone) {
    this.video = video;
    this.onFrame = onFrame;
    this.onGone = onGone;
    this.stream = null;
    this.spare = [];
    this.longest = LEVELS[0][0]; // side of the pictures
    this.mirror = false;
  }

  get on() {
    return this.stream !== null;
  }

  /** Start, or change to another camera. Rejects as getUserMedia does. */
  async start(deviceId = "") {
    this.stop();
    const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: "environment" } };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...size, ...which } });
    this.stream = stream;
    stream.getVideoTracks()[0].onended = () => {
      if (this.stream !== stream) return;
      this.stop();
      this.onGone();
    };
    this.video.srcObject = stream;
    await this.video.play();
    this.#next(stream);
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  /** Cameras to choose from, as options of a select; the one in use is selected. */
  async options() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const used = this.stream?.getVideoTracks()[0]?.getSettings().deviceId;
    const cameras = devices.filter(({ kind }) => kind === "videoinput");
    return cameras.map(({ deviceId, label }, i) => new Option(label || `Camera ${i + 1}`, deviceId, false, deviceId === used));
  }

  /** The present picture on a canvas, which `giveBack` takes when it is not needed any more; null if there is none. */
  grab() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return null;
    const share = Math.min(1, this.longest / Math.max(videoWidth, videoHeight));
    const canvas = this.spare.pop() ?? document.createElement("canvas");
    const [width, height] = [Math.round(videoWidth * share), Math.round(videoHeight * share)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    // Kept in memory, not on the graphics card: its pixels are read at once, to be sent.
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    context.setTransform(this.mirror ? -1 : 1, 0, 0, 1, this.mirror ? width : 0, 0);
    context.drawImage(this.video, 0, 0, width, height);
    return canvas;
  }

  /** A canvas as a JPEG of a level of `LEVELS`. */
  jpeg(canvas, level) {
    const share = LEVELS[level][0] / LEVELS[0][0];
    let picture = canvas;
    if (share < 1) {
      const [width, height] = [Math.round(canvas.width * share), Math.round(canvas.height * share)];
      picture = Object.assign(document.createElement("canvas"), { width, height });
      picture.getContext("2d", { alpha: false, willReadFrequently: true }).drawImage(canvas, 0, 0, width, height);
    }
    return new Promise((resolve) => picture.toBlob(resolve, "image/jpeg", LEVELS[level][1]));
  }

  giveBack(canvas) {
    if (canvas && this.spare.length < SPARE) this.spare.push(canvas);
  }

  #next(stream) {
    const heard = (_, about) => {
      if (this.stream !== stream) return;
      this.onFrame(about?.presentedFrames ?? ++this.counted);
      this.#next(stream);
    };
    this.counted ??= 0;
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(heard);
    else requestAnimationFrame(() => heard(0, null));
  }
}
