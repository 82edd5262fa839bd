// Builds the page into dist/: any static server shows it. Put a G2P model's files into dist/model, or give them on the page.
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
// biome-ignore lint/correctness/noUndeclaredDependencies: esbuild is a tool of the whole repository
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist"), { recursive: true });
await build({
  absWorkingDir: at("."),
  entryPoints: ["main.ts", "worker.ts"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  platform: "browser",
  logLevel: "warning",
});
for (const name of ["index.html", "style.css"]) copyFileSync(at(name), at(`dist/${name}`));
for (const name of ["kernels-simd.wasm", "kernels-relaxed.wasm"]) {
  copyFileSync(fileURLToPath(import.meta.resolve(`@kiloformer/core/${name}`)), at(`dist/${name}`));
}
