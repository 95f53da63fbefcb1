// The controls: each has a button and a key, and a box can be drawn without a pointer. Files are chosen or dropped.

import { byId } from "./live-words.js";

const BUTTONS = { " ": "pause", ".": "step", b: "draw", r: "record", s: "shot", d: "download", e: "finish", f: "full",
  ",": "back-one", w: "backward", "[": "place-before", "]": "place-next" };
const REPEATS = new Set(["step", "back-one"]); // while the key is held down

/** Listen, for `Targets` and for what the buttons do, by their ids; the help has its own. */
export function listenForControls(targets, controls) {
  for (const [id, act] of Object.entries(controls)) byId(id).onclick = act;
  byId("help-open").onclick = () => byId("help").showModal();
  byId("help-close").onclick = () => byId("help").close();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || event.target.closest("select")) return;
    if (event.target.type === "range" && /^(Arrow|Page|Home|End)/.test(event.key)) return; // the slider's own
    if (!targets.pencil.key(event) && !press(event, controls, targets)) return;
    event.preventDefault();
  });
  // Some browsers press a button that has the focus when Space comes up.
  document.addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.closest("button") && !document.querySelector("dialog[open]")) event.preventDefault();
  });
}

/** Call `open(file)` for a video file that is chosen or dropped. */
export function listenForFiles(open) {
  byId("file").onchange = ({ target }) => {
    if (target.files.length) open(target.files[0]);
    target.value = ""; // the same one may be chosen again
  };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  };
}

function press(event, controls, targets) {
  const { key, target, repeat } = event;
  // Enter presses the button that has the focus. Space does not: it would repeat what was clicked last.
  if (key === "Enter" && target.closest("button, a")) return false;
  const button = BUTTONS[key.toLowerCase()];
  if (button in controls) {
    if (!byId(button).disabled && !byId(button).hidden && (!repeat || REPEATS.has(button))) controls[button]();
  } else if (key === "?") byId("help").showModal();
  else if (key === "a" || key === "A") targets.drawAgain();
  else if (key === "Delete" || key === "Backspace") targets.remove();
  else if (key === "Escape") targets.giveUp();
  else if (key === "Enter" && target === byId("picture") && !byId("draw").disabled) controls.draw();
  else if (/^[1-9]$/.test(key)) targets.toggleNumber(Number(key));
  else return false;
  return true;
}
