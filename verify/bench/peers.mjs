// What the benchmarks compare with lies in this folder's own node_modules: exact versions, no part of the project.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const stamp = `${here}node_modules/.installed`;

/** Installs the peers that package-lock.json names, unless they are there already. */
export function installPeers() {
  const lock = readFileSync(`${here}package-lock.json`, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("kiloformer: installing the peers of the benchmarks (npm ci)");
  const options = { cwd: here, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" };
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], options);
  writeFileSync(stamp, lock);
}
