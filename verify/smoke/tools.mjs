// The tools of the smoke tests, fetched when they are missing.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export { root } from "../built.mjs";

export const here = fileURLToPath(new URL(".", import.meta.url));
export const build = join(here, "build");

/** Why a test cannot run here; its line says so. */
export class Skip extends Error {}

/** Runs a command to its end; throws with its output when it fails. */
export function execute(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 300_000, ...options });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? `${result.stdout ?? ""}${result.stderr ?? ""}`.trim();
  throw new Error(`${command} ${args.join(" ")}: ${reason || `exit code ${result.status ?? result.signal}`}`);
}

/** Installs what package-lock.json names, unless it is there already. Gives why not, if it could not. */
export function installTools() {
  const stamp = join(here, "node_modules/.installed");
  const lock = readFileSync(join(here, "package-lock.json"), "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return undefined;
  console.log("installing the smoke tests' tools (npm ci in verify/smoke)");
  try {
    execute("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: here,
      shell: process.platform === "win32",
    });
    writeFileSync(stamp, lock);
    return undefined;
  } catch (error) {
    return error.message;
  }
}

/** A tool of verify/smoke/node_modules, imported by name. */
export async function tool(name) {
  try {
    return await import(name);
  } catch (cause) {
    throw new Skip(`${name} is not installed: ${cause.message.split("\n")[0]}`);
  }
}

/** A program of verify/smoke/node_modules/.bin. */
export function program(name) {
  const file = join(here, "node_modules/.bin", process.platform === "win32" ? `${name}.cmd` : name);
  if (existsSync(file)) return file;
  throw new Skip(`${name} is not installed`);
}

const browsers = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** The Chromium of CHROMIUM_PATH, else of the PATH. */
export function chromiumPath() {
  const given = process.env.CHROMIUM_PATH;
  const candidates = given
    ? [given]
    : browsers.flatMap((name) => (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name)));
  const found = candidates.find(isExecutable);
  if (found) return found;
  throw new Skip(
    given ? `CHROMIUM_PATH, ${given}, is no program` : "no Chromium on the PATH; install one or set CHROMIUM_PATH",
  );
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
