// The browser cases: main thread, worker, bundlers, policies and servers with wrong MIME types.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkError, checkRuns, checkStreaming } from "./check.mjs";
import { buildDemo, tryDemo } from "./demo.mjs";
import { checkOwnG2P } from "./own-g2p.mjs";
import { makePackedSite, packedSite } from "./packed.mjs";
import { bundleForBrowsers, bundleWithVite, importMap, kiloformer, project } from "./project.mjs";
import { makePronouncePage, tryPronouncePage } from "./pronounce.mjs";
import { tryReadmePage, writeReadmePage } from "./readme.mjs";
import { serveSites } from "./server.mjs";
import { build, chromiumPath, here, root, tool } from "./tools.mjs";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--no-first-run",
  "--disable-component-update",
  "--disable-sync",
];
const timeout = 60_000;

/** The smoke tests in Chromium: `[label, run]` each; the browser starts with the first. `stop` ends it. */
export function chromiumCases(model) {
  const { directory, files, stories } = model;
  let started;
  const start = () => {
    started ??= startBrowser(directory);
    return started;
  };
  const request = { files, stories: stories.map(({ prompt, max_new_tokens }) => ({ prompt, max_new_tokens })) };
  /** Opens a page of a site and calls one of its functions. */
  const visit = async (path, call, bundle = async () => {}, base = "/model/", threads = 1) => {
    const { browser, server } = await start();
    const bundled = await bundle();
    const page = await browser.newPage();
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    try {
      await page.goto(`${server.origin}/${path}`, { timeout });
      const result = await withLimit(
        page.evaluate(([name, asked]) => globalThis[name](asked), [call, { ...request, base, threads }]),
      );
      return { result, bundled };
    } catch (error) {
      throw new Error([error.message, ...problems].join("; "));
    } finally {
      await page.close();
    }
  };
  const story = async (path, bundle, base) => {
    const { result, bundled } = await visit(path, "onMainThread", bundle, base);
    return { note: checkRuns(result, stories), bundled };
  };
  /** Two threads share the work: on the page, or in a worker of its own. */
  const threaded = async (path, call, bundle, computing = 2) => {
    const { result } = await visit(path, call, bundle, "/model/", 2);
    return `${checkRuns(result.runs ?? result, stories, computing)}, ${computing} of 2 threads`;
  };
  const streamed = async (path, bundle) => {
    const { result } = await visit(path, "inWorker", bundle);
    const note = checkRuns(result.runs ?? result, stories);
    const pieces = result.runs.reduce((sum, run) => sum + run.pieces, 0);
    return `${note}, ${checkStreaming(result.arrivals, result.finished, pieces)}`;
  };
  const refused = async (path, code, words) => {
    const { result } = await visit(path, "onMainThread", bundleForBrowsers);
    return checkError(result, code, words);
  };
  /** Makes a page and tries it. */
  const onPage = async (make, path, attempt) => {
    const { browser, server } = await start();
    await make();
    const page = await browser.newPage();
    try {
      return await attempt(page, `${server.origin}/${path}`);
    } finally {
      await page.close();
    }
  };
  const cases = [
    [
      "main thread, no bundler",
      async () => `${(await story("plain/page.html")).note}, ${(await start()).browser.version()}`,
    ],
    ["esbuild bundle", async () => (await story("esbuild/page.html", bundleForBrowsers)).note],
    [
      "Vite build",
      async () => {
        const { note, bundled } = await story("vite/page.html", bundleWithVite);
        return `${note}, Vite ${bundled.version}`;
      },
    ],
    ["Web Worker, esbuild bundle", () => streamed("esbuild/page.html", bundleForBrowsers)],
    ["Web Worker, Vite build", () => streamed("vite/page.html", bundleWithVite)],
    ["two threads, isolated page, no bundler", () => threaded("isolated/page.html", "onMainThread")],
    [
      "two threads, isolated page, Vite build",
      () => threaded("isolated-vite/page.html", "onMainThread", bundleWithVite),
    ],
    [
      "two threads, from a Web Worker, Vite build",
      () => threaded("isolated-vite/page.html", "inWorker", bundleWithVite),
    ],
    ["two threads asked for, page not isolated", () => threaded("plain/page.html", "onMainThread", async () => {}, 1)],
    [
      "model from a server that compresses",
      async () => (await story("esbuild/page.html", bundleForBrowsers, "/compressed-model/")).note,
    ],
    [".wasm with a wrong MIME type", async () => (await story("wrong-type/page.html", bundleForBrowsers)).note],
    ["strict CSP with 'wasm-unsafe-eval'", async () => (await story("csp/page.html", bundleForBrowsers)).note],
    [
      "CSP without 'wasm-unsafe-eval'",
      () =>
        refused(
          "csp-without/page.html",
          "kernels-refused",
          /Content-Security-Policy needs script-src 'wasm-unsafe-eval'/,
        ),
    ],
    [
      "one packed file, nothing else, strict CSP",
      async () => {
        const { result } = await visit("packed/page.html", "fromOneFile", () => makePackedSite(model));
        return checkRuns(result, stories);
      },
    ],
    [
      "our own G2P, no bundler and Vite build",
      async () => {
        const pages = [
          await visit("plain/page.html", "sayOwn"),
          await visit("vite/page.html", "sayOwn", bundleWithVite),
        ];
        return (await Promise.all(pages.map(({ result }) => checkOwnG2P(result)))).at(-1);
      },
    ],
    ["kernels not on the server", () => refused("missing/page.html", "kernels-not-found", /kernels-.*HTTP 404/)],
    ["README's example for a page", () => onPage(writeReadmePage, "readme/page.html", tryReadmePage)],
    [
      "pronunciations on a page and in a Web Worker",
      () => onPage(makePronouncePage, "pronounce/page.html", tryPronouncePage),
    ],
    [
      "kiloformer verify --browser, both builds",
      () => {
        const folder = join(root, "verify/fixtures/llama-sharded");
        process.env.CHROMIUM_PATH ??= chromiumPath();
        const last = ["simd", "relaxed"].map((name) =>
          kiloformer("verify", folder, "--browser", "--build", name).trim().split("\n").at(-1),
        );
        if (last.some((line) => !/^[1-9]\d* tensors compared, 0 failed$/.test(line))) throw new Error(last.join("; "));
        return last[0];
      },
    ],
    ["the demo page", () => onPage(buildDemo, "demo/index.html", (page, url) => tryDemo(page, url, model))],
  ];
  const stop = async () => {
    const running = await started?.catch(() => undefined);
    await running?.browser.close();
    running?.server.close();
  };
  return { cases: cases.map(([label, run]) => [`Chromium, ${label}`, run]), stop };
}

async function startBrowser(model) {
  const executablePath = chromiumPath();
  const { chromium } = await tool("playwright-core");
  const browser = await chromium.launch({ executablePath, args: flags, timeout });
  const template = readFileSync(join(here, "app/page.html"), "utf8");
  const plain = (site) => {
    const map = `<script type="importmap">${JSON.stringify(importMap(site))}</script>`;
    return { root: project, pages: { "page.html": template.replace("<!-- imports -->", map) } };
  };
  const bundled = { root: join(build, "esbuild"), pages: { "page.html": template } };
  const policy = (scripts) => ({
    "content-security-policy": `default-src 'none'; img-src data:; connect-src 'self'; script-src ${scripts}`,
  });
  const isolation = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
  };
  const server = await serveSites({
    model: { root: model },
    "compressed-model": { root: model, gzip: true },
    plain: plain("plain"),
    esbuild: bundled,
    isolated: { ...plain("isolated"), headers: isolation },
    "isolated-vite": { root: join(build, "vite"), headers: isolation },
    vite: { root: join(build, "vite") },
    demo: {
      root: join(root, "demo/dist"),
      headers: { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'", "cache-control": "max-age=3600" },
    },
    pronounce: { root: join(build, "pronounce") },
    readme: { root: join(build, "readme") },
    packed: {
      root: packedSite,
      pages: { "page.html": template },
      headers: policy("'self' 'wasm-unsafe-eval'"),
    },
    "wrong-type": { ...bundled, types: { ".wasm": "text/plain" } },
    csp: { ...bundled, headers: policy("'self' 'wasm-unsafe-eval'") },
    "csp-without": { ...bundled, headers: policy("'self'") },
    missing: { ...bundled, missing: /\.wasm$/ },
  });
  return { browser, server };
}

/** A page that never answers must not hang the tests. */
async function withLimit(promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeout / 1000} s`)), timeout);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
