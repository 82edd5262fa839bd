// What holds in every browser: main thread, worker, bundlers, policies, servers that err.
import { checkError, checkRuns, checkStreaming } from "./check.mjs";
import { checkOwnG2P } from "./own-g2p.mjs";
import { makePackedSite } from "./packed.mjs";
import { bundleForBrowsers, bundleWithVite, bundleWithWebpack } from "./project.mjs";
import { checkTokenizers } from "./tokenizers.mjs";

/** Bundles are the same in every browser, and are made once. */
const once = (make) => {
  let made;
  return () => {
    made ??= make();
    return made;
  };
};
const none = async () => {};
const esbuild = once(bundleForBrowsers);
const vite = once(bundleWithVite);
const webpack = once(bundleWithWebpack);

/**
 * `[label, run]` each.
 * @param visit `(path, call, argument)`: what a page's function gives in this browser
 */
export function pageCases(visit, model) {
  const { files, stories } = model;
  const packed = once(() => makePackedSite(model));
  const request = { files, stories: stories.map(({ prompt, max_new_tokens }) => ({ prompt, max_new_tokens })) };
  const ask = async (path, call, bundle = none, { base = "/model/", threads = 1 } = {}) => {
    await bundle();
    return visit(path, call, { ...request, base, threads });
  };
  const story = async (path, bundle, options) => checkRuns(await ask(path, "onMainThread", bundle, options), stories);
  /** Two threads share the work: on the page, or in a worker of its own. */
  const threaded = async (path, call, bundle, computing = 2) => {
    const result = await ask(path, call, bundle, { threads: 2 });
    return `${checkRuns(result.runs ?? result, stories, computing)}, ${computing} of 2 threads`;
  };
  const streamed = async (path, bundle) => {
    const result = await ask(path, "inWorker", bundle);
    const note = checkRuns(result.runs ?? result, stories);
    const pieces = result.runs.reduce((sum, run) => sum + run.pieces, 0);
    return `${note}, ${checkStreaming(result.arrivals, result.finished, pieces)}`;
  };
  const refused = async (path, code, words) => checkError(await ask(path, "onMainThread", esbuild), code, words);
  const forbidden = /Content-Security-Policy needs script-src 'wasm-unsafe-eval'/;
  return [
    ["main thread, no bundler", () => story("plain/page.html")],
    ["esbuild bundle", () => story("esbuild/page.html", esbuild)],
    ["Vite build", async () => `${await story("vite/page.html", vite)}, Vite ${(await vite()).version}`],
    ["Web Worker, esbuild bundle", () => streamed("esbuild/page.html", esbuild)],
    ["Web Worker, Vite build", () => streamed("vite/page.html", vite)],
    ["two threads, isolated page, no bundler", () => threaded("isolated/page.html", "onMainThread")],
    ["two threads, isolated page, Vite build", () => threaded("isolated-vite/page.html", "onMainThread", vite)],
    ["two threads, from a Web Worker, Vite build", () => threaded("isolated-vite/page.html", "inWorker", vite)],
    [
      "two threads, in Web Worker and page, webpack build",
      async () => {
        await threaded("isolated-webpack/page.html", "inWorker", webpack);
        const note = await threaded("isolated-webpack/page.html", "onMainThread", webpack);
        return `${note}, webpack ${(await webpack()).version}`;
      },
    ],
    ["two threads asked for, page not isolated", () => threaded("plain/page.html", "onMainThread", none, 1)],
    ["model from a server that compresses", () => story("esbuild/page.html", esbuild, { base: "/compressed-model/" })],
    [".wasm with a wrong MIME type", () => story("wrong-type/page.html", esbuild)],
    ["strict CSP with 'wasm-unsafe-eval'", () => story("csp/page.html", esbuild)],
    ["CSP without 'wasm-unsafe-eval'", () => refused("csp-without/page.html", "kernels-refused", forbidden)],
    [
      "one packed file, nothing else, strict CSP",
      async () => checkRuns(await ask("packed/page.html", "fromOneFile", packed), stories),
    ],
    [
      "one packed file, CSP without 'wasm-unsafe-eval'",
      async () => {
        const result = await ask("packed-csp-without/page.html", "fromOneFile", packed);
        return checkError(result, "kernels-refused", forbidden);
      },
    ],
    [
      "our own G2P, no bundler and Vite build",
      async () => {
        const said = [await ask("plain/page.html", "sayOwn"), await ask("vite/page.html", "sayOwn", vite)];
        return (await Promise.all(said.map(checkOwnG2P))).at(-1);
      },
    ],
    ["tokenizers, no bundler", () => checkTokenizers((argument) => visit("plain/page.html", "tokenizeHere", argument))],
    ["kernels not on the server", () => refused("missing/page.html", "kernels-not-found", /kernels-.*HTTP 404/)],
  ];
}
