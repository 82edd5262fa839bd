// A static server on a loopback port. A site is a folder with its own headers and, if need be, wrong MIME types.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { json } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { here } from "./tools.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};
const guided = '<script type="module" src="/guided.js"></script>';

/**
 * Serves `http://127.0.0.1:PORT/<site>/...`; a site is `{ root, headers?, types?, pages?, missing?, gzip? }`.
 * @param guide answers what pages post to paths of its own, `{ onPage, "/path": async (value) => answer }`; all pages get guided.js then
 */
export async function serveSites(sites, guide) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    if (guide && Object.hasOwn(guide, pathname)) {
      const value = await json(request).catch(() => undefined);
      // A page that ends while it tells something is nobody's answer.
      return value === undefined ? response.destroy() : response.end(JSON.stringify(await guide[pathname](value)));
    }
    if (guide && pathname === "/guided.js") {
      return response.setHeader("content-type", types[".js"]).end(await readFile(join(here, "guided.js")));
    }
    const [, name, ...rest] = pathname.split("/");
    const path = normalize(decodeURIComponent(rest.join("/")));
    const site = Object.hasOwn(sites, name) && !path.startsWith("..") ? sites[name] : undefined;
    const absent = site?.missing?.test(path);
    let body = site && (site.pages?.[path] ?? (await readFile(join(site.root, path)).catch(() => undefined)));
    if (body === undefined || absent)
      return response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    const extension = extname(path);
    const type = site.types?.[extension] ?? types[extension] ?? "application/octet-stream";
    if (guide && extension === ".html") {
      guide.onPage();
      body += guided;
    }
    response.setHeaders(new Headers({ "content-type": type, ...site.headers }));
    // Without a content-length, as servers that compress on the fly send it.
    if (site.gzip) return response.setHeader("content-encoding", "gzip").end(gzipSync(body));
    return response.setHeader("content-length", Buffer.byteLength(body)).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { origin: `http://127.0.0.1:${port}`, close };
}
