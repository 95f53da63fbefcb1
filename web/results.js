// What was found, as boxes.csv has it.

const HEAD = "frame,time_s,x,y,w,h,score,state\n";

/** Rows of every target that there was, by its name. */
export class Results {
  constructor() {
    this.rows = new Map();
  }

  get empty() {
    return this.rows.size === 0;
  }

  add({ name, box, score, state }, frame, timeS) {
    if (!this.rows.has(name)) this.rows.set(name, []);
    const numbers = [...box.map((value) => value.toFixed(3)), score.toFixed(4)];
    this.rows.get(name).push(`${frame},${timeS.toFixed(6)},${numbers.join(",")},${state}\n`);
  }

  clear() {
    this.rows.clear();
  }

  /** Save one file a target: boxes.csv, or boxes-N.csv where there are more. */
  download() {
    for (const [name, rows] of this.rows) {
      const href = URL.createObjectURL(new Blob([HEAD, ...rows], { type: "text/csv" }));
      const file = this.rows.size === 1 ? "boxes.csv" : `boxes-${name.split("-").pop()}.csv`;
      Object.assign(document.createElement("a"), { href, download: file }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60000);
    }
  }
}
