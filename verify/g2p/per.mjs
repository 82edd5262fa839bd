// Runs per.ts: node verify/g2p/per.mjs hypotheses.tsv ../shared/data/g2p/cmudict.dict
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
const { run } = await import(pathToFileURL(`${folder}per.mjs`).href);
try {
  run(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
