// Keeps the page for use without a network, and serves it with the headers that let it compute in several threads.

const NAME = "siamtrack-BUILD"; // both are filled in by build_page.py
const FILES = ["FILES"];
const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(take()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) event.respondWith(answer(event.request));
});

async function keep() {
  await (await caches.open(NAME)).addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
  await self.skipWaiting();
}

async function take() {
  for (const name of await caches.keys()) if (name.startsWith("siamtrack-") && name !== NAME) await caches.delete(name);
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(NAME);
  const kept = await cache.match(request, { ignoreSearch: true });
  const response = kept ?? (await fetch(request));
  // The runtime's build for WebGPU comes when a browser wants it, and stays.
  if (!kept && response.ok && request.url.includes("/ort/")) await cache.put(request, response.clone());
  const { body, status, statusText, headers } = response;
  const with_ = new Headers(headers);
  for (const [name, value] of Object.entries(HEADERS)) with_.set(name, value);
  return new Response(body, { status, statusText, headers: with_ });
}
