// Everything that the browsers visit: the same page with and without bundlers, under policies, on servers that err.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packedSite } from "./packed.mjs";
import { importMap, project } from "./project.mjs";
import { serveSites } from "./server.mjs";
import { fixtures } from "./tokenizers.mjs";
import { build, here, root } from "./tools.mjs";

/** @param directory the model's; `guide` is for browsers that nothing drives, see server.mjs */
export function serveModel(directory, guide) {
  const template = readFileSync(join(here, "app/page.html"), "utf8");
  const plain = (site) => {
    const map = `<script type="importmap">${JSON.stringify(importMap(site))}</script>`;
    return { root: project, pages: { "page.html": template.replace("<!-- imports -->", map) } };
  };
  const bundled = { root: join(build, "esbuild"), pages: { "page.html": template } };
  const policy = (scripts) => ({
    "content-security-policy": `default-src 'none'; img-src data:; connect-src 'self'; script-src ${scripts}`,
  });
  const packed = { root: packedSite, pages: { "page.html": template } };
  const isolation = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
  };
  const sites = {
    model: { root: directory },
    tokenizers: { root: fixtures },
    "compressed-model": { root: directory, gzip: true },
    plain: plain("plain"),
    esbuild: bundled,
    isolated: { ...plain("isolated"), headers: isolation },
    "isolated-vite": { root: join(build, "vite"), headers: isolation },
    vite: { root: join(build, "vite") },
    "isolated-webpack": { root: join(build, "webpack"), pages: { "page.html": template }, headers: isolation },
    demo: {
      root: join(root, "demo/dist"),
      headers: { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'", "cache-control": "max-age=3600" },
    },
    pronounce: { root: join(build, "pronounce") },
    readme: { root: join(build, "readme") },
    packed: { ...packed, headers: policy("'self' 'wasm-unsafe-eval'") },
    "packed-csp-without": { ...packed, headers: policy("'self'") },
    "wrong-type": { ...bundled, types: { ".wasm": "text/plain" } },
    csp: { ...bundled, headers: policy("'self' 'wasm-unsafe-eval'") },
    "csp-without": { ...bundled, headers: policy("'self'") },
    missing: { ...bundled, missing: /\.wasm$/ },
    start: { root: here, pages: { "page.html": "<!doctype html>" } },
  };
  return serveSites(sites, guide);
}
