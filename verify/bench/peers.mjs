// What the benchmarks compare with lies in this folder's own node_modules: exact versions, no part of the project.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Installs the peers when this one of them is missing. */
export function installPeers(name) {
  if (existsSync(`${here}node_modules/${name}`)) return;
  console.error("kiloformer: installing the peers of the benchmarks (npm ci)");
  const options = { cwd: here, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" };
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], options);
}
