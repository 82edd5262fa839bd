// per.ts as a module that Node runs.
import { mkdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("../build/g2p/", import.meta.url));
mkdirSync(folder, { recursive: true });
await build({
  entryPoints: [fileURLToPath(new URL("./per.ts", import.meta.url))],
  outfile: `${folder}per.mjs`,
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "warning",
});
export const { readReferences, run, score } = await import(pathToFileURL(`${folder}per.mjs`).href);
