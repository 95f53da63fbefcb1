// A video file on its way to the server, in pieces: one that got lost is sent again.

const PIECE = 2 ** 21;
const TRIES = 4;
const WAIT_MS = 700;

/** Send a file; `progress(share)` is told. Resolves to the session's name, rejects with words for the user. */
export async function sendVideo(file, progress) {
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
export async function takeSample() {
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
