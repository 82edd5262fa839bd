// A contender in a page of a Chromium of its own, and the server that pages load from: isolated, so that threads are allowed.
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const imports = {
  kiloformer: "/build/kiloformer.js",
  "onnxruntime-web": "/peers/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
  "@huggingface/transformers": "/peers/@huggingface/transformers/dist/transformers.min.js",
  "@wllama/wllama": "/peers/@wllama/wllama/esm/index.min.js",
};
const page = `<!doctype html><title>benchmark</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="/bench/page.mjs"></script>`;
const flags = [
  ...["--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update"],
  // Root may not use the sandbox.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

/** An engine: `start()` gives a contender a browser of its own, whose page loads from folders, given as `{ name: folder }`. */
export async function chromiumEngine(executablePath, sites) {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath, args: flags });
  const title = `Chromium ${browser.version()}`;
  await browser.close();
  const server = await serve(sites);
  const start = () => startChromium(chromium, { executablePath, args: flags }, server.origin);
  return { name: "chromium", title, start, close: server.close, origin: server.origin };
}

async function serve(sites) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("content-type", pathname === "/" ? types[".html"] : contentType(pathname));
    if (pathname === "/") return response.end(page);
    const file = fileAt(sites, pathname);
    if (!file) return response.writeHead(404).end();
    response.setHeader("content-length", statSync(file).size);
    if (request.method === "HEAD") return response.end();
    return createReadStream(file, { highWaterMark: 1 << 20 }).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => server.close().closeAllConnections();
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}

const contentType = (pathname) => types[extname(pathname)] ?? "application/octet-stream";

function fileAt(sites, pathname) {
  const [, name, ...rest] = decodeURIComponent(pathname).split("/");
  const path = normalize(rest.join("/"));
  const file = Object.hasOwn(sites, name) && !path.startsWith("..") ? join(sites[name], path) : "";
  return existsSync(file) && statSync(file).isFile() ? file : undefined;
}

/** @returns the answers of page.mjs as functions, and `close` */
async function startChromium(chromium, options, origin) {
  const server = await chromium.launchServer(options);
  const browser = await chromium.connect(server.wsEndpoint());
  const tab = await browser.newPage();
  await tab.goto(`${origin}/`);
  await tab.waitForFunction(() => globalThis.answers);
  const ask = (name) => (value) =>
    tab
      .evaluate(([name, value]) => globalThis.answers[name](value), [name, value])
      .catch((error) => {
        throw new Error(error.message.replace(/^page\.evaluate: (Error: )?/, "").split("\n")[0]);
      });
  return {
    ...Object.fromEntries(["open", "turn", "results", "warmUp", "limits"].map((name) => [name, ask(name)])),
    peakBytes: async () => rendererPeak(server.process().pid),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

/** The most that the page's process had resident; where /proc is, else undefined. */
function rendererPeak(browser) {
  if (!existsSync("/proc/self/status")) return undefined;
  const parents = new Map();
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const status = readProcess(id, "status");
    if (status) parents.set(id, /PPid:\s*(\d+)/.exec(status)[1]);
  }
  const isOurs = (id) => id === String(browser) || (parents.has(id) && isOurs(parents.get(id)));
  const isRenderer = (id) => isOurs(id) && readProcess(id, "cmdline")?.includes("--type=renderer");
  const peak = (id) => Number(/VmHWM:\s*(\d+)/.exec(readProcess(id, "status"))?.[1] ?? 0) * 1024;
  return Math.max(...[...parents.keys()].filter(isRenderer).map(peak));
}

/** A process may end while it is looked at. */
function readProcess(id, file) {
  try {
    return readFileSync(`/proc/${id}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}
