// The WebSocket to the server, which comes back by itself.

import { sentence } from "./live-words.js";

const VERSION = 1;
const FIRST_DELAY_S = 0.5;
const LONGEST_DELAY_S = 8;
const CLOSE_BROKEN = 4000;
const CLOSE_TAKEN_OVER = 4001;
const CLOSE_REFUSED = 4002;
const PING_MS = 1000;
const SILENT_MS = 8000;
const PINGS = 10;

/** What the server is, asked before a WebSocket: those do not say why they were refused. */
export async function about() {
  const answer = await fetch("about", { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw Object.assign(new Error((await answer.text()).trim().slice(0, 200)), { refused: true });
  return answer.json();
}

/**
 * A connection that is made again when it breaks, with growing pauses.
 *
 * `on` is told: text(message), picture(header, blob), state(name, words, count) with name one of connecting, open, lost
 * (with a count of the seconds to the next try), stopped, and gone: what was asked for is not there any more.
 */
export class Link {
  constructor(on) {
    this.on = on;
    this.socket = null;
    this.wanted = null; // {mode, session()}
    this.delayS = FIRST_DELAY_S;
    this.timer = 0;
    this.roundTrips = [];
    this.wordMs = 0; // the shortest of them: what a message takes that waits in no queue
    this.heardAt = 0;
    setInterval(() => this.#ping(), PING_MS);
  }

  /** Connect; `session` gives the id to ask for, at every attempt. */
  open(mode, session = () => "") {
    this.close();
    this.wanted = { mode, session };
    this.delayS = FIRST_DELAY_S;
    this.#connect();
  }

  close() {
    this.wanted = null;
    clearTimeout(this.timer);
    this.#drop();
  }

  /** Try at once. */
  retry() {
    if (!this.wanted || this.socket) return;
    clearTimeout(this.timer);
    this.#connect();
  }

  send(type, values = {}) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ type, ...values }));
    return true;
  }

  sendPicture(seq, jpeg) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    const number = new DataView(new ArrayBuffer(4));
    number.setUint32(0, seq);
    this.socket.send(new Blob([number.buffer, jpeg]));
    return true;
  }

  /** Milliseconds there and back: the median of the last pings; 0 before the first. */
  get roundTripMs() {
    const sorted = [...this.roundTrips].sort((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : 0;
  }

  async #connect() {
    const wanted = this.wanted;
    this.on.state("connecting");
    try {
      await about();
    } catch (error) {
      if (this.wanted === wanted) this.#lost(error.refused ? error.message : "");
      return;
    }
    if (this.wanted !== wanted || this.socket) return;
    const socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws").replace(/[?#].*$/, "")));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const tooLong = setTimeout(() => this.#gone(socket), 8000);
    socket.onopen = () => {
      this.heardAt = performance.now();
      this.roundTrips = [];
      this.wordMs = 0;
      this.send("hello", { version: VERSION, mode: wanted.mode, session: wanted.session() });
    };
    socket.onmessage = (event) => {
      clearTimeout(tooLong);
      this.heardAt = performance.now();
      if (typeof event.data === "string") this.#text(JSON.parse(event.data));
      else this.#picture(event.data);
    };
    socket.onclose = (event) => {
      clearTimeout(tooLong);
      this.#gone(socket, event.code);
    };
  }

  #text(message) {
    if (message.type === "pong") {
      const tookMs = performance.now() - message.t;
      this.roundTrips.push(tookMs);
      this.wordMs = Math.min(this.wordMs || tookMs, tookMs);
      if (this.roundTrips.length > PINGS) this.roundTrips.shift();
      return;
    }
    if (message.type === "welcome") {
      this.delayS = FIRST_DELAY_S;
      this.on.state("open");
      this.#ping();
    }
    if (message.type === "refused") this.refusal = message;
    else this.on.text(message);
  }

  #picture(data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    header.heardAt = this.heardAt;
    this.on.picture(header, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  }

  #drop() {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #gone(socket, code = 0) {
    if (this.socket !== socket) return;
    this.#drop();
    if (code === CLOSE_TAKEN_OVER || code === CLOSE_BROKEN) {
      this.wanted = null;
      const over = "This session goes on in another tab.";
      this.on.state("stopped", code === CLOSE_TAKEN_OVER ? over : "The server did not understand this page: load it again.");
      return;
    }
    if (code === CLOSE_REFUSED && this.refusal.gone) {
      this.wanted = null;
      this.on.state("gone", this.refusal.message);
    } else this.#lost(code === CLOSE_REFUSED ? this.refusal.message : "");
  }

  #lost(problem) {
    clearTimeout(this.timer);
    const delayS = problem ? LONGEST_DELAY_S : this.delayS;
    this.delayS = Math.min(2 * this.delayS, LONGEST_DELAY_S);
    this.#count(sentence(problem || "the server does not answer"), performance.now() + 1000 * delayS);
  }

  #count(problem, until) {
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left <= 0) {
      this.#connect();
      return;
    }
    this.on.state("lost", problem, `Next try in ${left} s.`);
    this.timer = setTimeout(() => this.#count(problem, until), 250);
  }

  #ping() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    // A network that went away says nothing, not even that it went. A tab in the background may have been asleep itself.
    if (performance.now() - this.heardAt > SILENT_MS && !document.hidden) this.#gone(this.socket);
    else this.send("ping", { t: performance.now() });
  }
}
