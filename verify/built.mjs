// The scripts here run straight after a clone, too: they first install and build what is missing or stale.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Installs and builds; ends the process when that fails. Packages of node_modules can be imported after it only. */
export function ensureBuilt() {
  const { status } = spawnSync(process.execPath, [join(root, "scripts/ensure.mjs")], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
