// `npm run demo`: builds the page and shows it on a loopback port, as a static server would.
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = fileURLToPath(new URL(".", import.meta.url));
const port = Number(process.env.PORT ?? 8080);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`demo: expected PORT to be a whole number up to 65535, got ${process.env.PORT}`);
  process.exit(1);
}
const types = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

for (const script of ["../scripts/ensure.mjs", "build.mjs"]) {
  const { status } = spawnSync(process.execPath, [join(here, script)], { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

/** The file of an address, always inside the page's folder. */
function fileAt(url) {
  const { pathname } = new URL(url, "http://127.0.0.1");
  const path = normalize(decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
  return join(here, "dist", path);
}

const server = createServer(async (request, response) => {
  let file;
  let body;
  try {
    file = fileAt(request.url);
    body = await readFile(file);
  } catch {
    return response.writeHead(404).end();
  }
  const type = types[extname(file)] ?? "application/octet-stream";
  const zipped = types[extname(file)] !== undefined && /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  const headers = {
    "content-type": type,
    "cache-control": "no-cache",
    // All that the page needs; scripts of it and WebAssembly, no eval.
    "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'",
    ...(zipped ? { "content-encoding": "gzip" } : {}),
  };
  return response.writeHead(200, headers).end(zipped ? gzipSync(body, { level: 9 }) : body);
});
server.once("error", ({ message }) => {
  console.error(`demo: expected a port that is free, got ${message} (PORT=8081 npm run demo takes another)`);
  process.exit(1);
});
server.listen(port, "127.0.0.1", () => {
  console.log(`demo: http://127.0.0.1:${server.address().port}/`);
});
