// A static server on a loopback port. A site is a folder with its own headers and, if need be, wrong MIME types.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serves `http://127.0.0.1:PORT/<site>/...`; a site is `{ root, headers?, types?, pages?, missing?, gzip? }`. */
export async function serveSites(sites) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const [, name, ...rest] = pathname.split("/");
    const path = normalize(decodeURIComponent(rest.join("/")));
    const site = Object.hasOwn(sites, name) && !path.startsWith("..") ? sites[name] : undefined;
    const absent = site?.missing?.test(path);
    const body = site && (site.pages?.[path] ?? (await readFile(join(site.root, path)).catch(() => undefined)));
    if (body === undefined || absent)
      return response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    const extension = extname(path);
    const type = site.types?.[extension] ?? types[extension] ?? "application/octet-stream";
    response.setHeaders(new Headers({ "content-type": type, ...site.headers }));
    // Without a content-length, as servers that compress on the fly send it.
    if (site.gzip) return response.setHeader("content-encoding", "gzip").end(gzipSync(body));
    return response.setHeader("content-length", Buffer.byteLength(body)).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() };
}
