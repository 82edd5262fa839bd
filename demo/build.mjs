// Builds the page into dist/: any static server shows it.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
// biome-ignore lint/correctness/noUndeclaredDependencies: esbuild is a tool of the whole repository
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist"), { recursive: true });
await build({
  absWorkingDir: at("."),
  entryPoints: ["main.ts", "opening.ts", "worker.ts", "style.css"],
  // Loaded when it is needed.
  external: ["./opening.js"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  platform: "browser",
  logLevel: "warning",
});
// Indentation is for us.
writeFileSync(at("dist/index.html"), readFileSync(at("index.html"), "utf8").replace(/\n +/g, "\n"));
for (const name of ["core/kernels-simd.wasm", "core/kernels-relaxed.wasm"]) copyFromPackage(`@kiloformer/${name}`);
for (const name of ["g2p-simd.wasm", "g2p-relaxed.wasm"]) copyFromPackage(`kiloformer/${name}`);

function copyFromPackage(path) {
  copyFileSync(fileURLToPath(import.meta.resolve(path)), at(`dist/${path.split("/").at(-1)}`));
}
