import { mkdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("../build/fuzz/", import.meta.url));

/** Imports a TypeScript file of this folder, with the packages as they lie in the working tree. */
export async function importTypeScript(name) {
  mkdirSync(folder, { recursive: true });
  const outfile = `${folder}${name}.mjs`;
  await build({
    entryPoints: [fileURLToPath(new URL(`./${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["@kiloformer/source"],
    logLevel: "warning",
  });
  return import(pathToFileURL(outfile).href);
}
