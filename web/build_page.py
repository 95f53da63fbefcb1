#!/usr/bin/env python3
"""Build the static page, a folder that any web server can serve: the tracker runs in the visitor's browser.

    web/build_page.py                                                         # needs npm, and the extra `torch`
    python -m http.server --bind 127.0.0.1 --directory web/dist               # then open http://127.0.0.1:8000

The page is this folder's files, those that it shares with the live page (siamtrack/assets/live*), ONNX Runtime for browsers
from npm (package-lock.json says which), and a model's graphs as `siamtrack export --whole --float32` writes them, with the
JavaScript of their README.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from siamtrack.api import config_of
from siamtrack.model.weights import ASSETS, load_weights
from siamtrack.whole.folder import whole_files

HERE = Path(__file__).resolve().parent
ON_CPU = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
ON_GPU = ("ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm")
"""The runtime's builds for WebAssembly and for WebGPU. The second one refuses graphs in float64."""


def main() -> None:
    """Fetch the runtime, write the folder, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "dist")
    parser.add_argument("--model", default="siamfc-lite", help="a model's name, or a .safetensors file")
    parser.add_argument("--runtime", type=Path, default=None, help="folder of onnxruntime-web's files, instead of npm's")
    args = parser.parse_args()

    page, engine = page_files(args.model), runtime_files(args.runtime or fetched_runtime())
    write(args.out, page | engine)
    sizes = [sum(map(len, files.values())) / 1e6 for files in (page, engine)]
    print(f"{args.out}: page and model {sizes[0]:.1f} MB, ONNX Runtime {sizes[1]:.1f} MB")
    print(f"python -m http.server --bind 127.0.0.1 --directory {args.out}")


def fetched_runtime() -> Path:
    """The folder of onnxruntime-web's files, which npm has put below this one."""
    folder = HERE / "node_modules/onnxruntime-web"
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]["onnxruntime-web"]
    with contextlib.suppress(FileNotFoundError):
        if json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"] == wanted:
            return folder / "dist"
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed: it fetches ONNX Runtime for browsers; or give --runtime")
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)
    return folder / "dist"


def runtime_files(folder: Path) -> dict[str, bytes]:
    """The runtime's files by their names in the page, of a folder of onnxruntime-web's."""
    return {f"ort/{name}": (folder / name).read_bytes() for name in (*ON_CPU, *ON_GPU)}


def page_files(model: str) -> dict[str, bytes]:
    """The page's files by name, all but the runtime: this folder's, the shared ones that they import, and the model."""
    weights = load_weights(model)
    files = {path.name: path.read_bytes() for path in sorted(HERE.iterdir()) if path.suffix in (".html", ".js")}
    live = (ASSETS / "live.html").read_text(encoding="utf-8")
    files["index.html"] = with_shared_lines(files["index.html"].decode(), live).encode()
    files["live.css"] = (ASSETS / "live.css").read_bytes()
    model_files = whole_files(weights, config_of(weights), "float32")
    (script,) = re.findall(r"^```js\n(.*?)^```", model_files.pop("README.md").decode(), re.M | re.S)
    files |= {**model_files, "track.js": script.encode()}
    waiting = [name for name in files if name.endswith(".js")]
    while waiting:
        for name in re.findall(r'(?:from|import) "\./([\w-]+\.js)"', files[waiting.pop()].decode()):
            if name not in files:
                files[name] = (ASSETS / name).read_bytes()
                waiting.append(name)
    return files


def with_shared_lines(page: str, live: str) -> str:
    """The page with lines of the live page's in place of each `<!-- live.html: WORDS ... WORDS -->`.

    They are those from the first line that holds the words to the next one that holds the last ones; without dots one line.
    """
    lines = live.splitlines(keepends=True)

    def line_with(words: str, begin: int = 0) -> int:
        for i in range(begin, len(lines)):
            if words in lines[i]:
                return i
        raise ValueError(f"live.html has no line with {words!r}, which index.html takes from it")

    def shared(found: re.Match[str]) -> str:
        first, _, last = found[1].partition(" ... ")
        begin = line_with(first)
        end = line_with(last, begin) if last else begin
        return "".join(lines[begin : end + 1])

    return re.sub(r"^ *<!-- live\.html: (.+) -->\n", shared, page, flags=re.M)


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the folder anew; its service worker is told what every visitor needs."""
    build = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:12]
    kept = json.dumps(["./", *sorted(set(files) - {"sw.js", *(f"ort/{name}" for name in ON_GPU)})])
    worker = files["sw.js"].decode().replace("BUILD", build).replace('["FILES"]', kept)
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in (files | {"sw.js": worker.encode()}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
