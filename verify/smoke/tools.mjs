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

/** What did not answer in time. */
export class NoAnswer extends Error {}

/** What never answers must not hang the tests. */
export async function within(milliseconds, promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    const fail = () => reject(new NoAnswer(`no answer within ${milliseconds / 1000} s`));
    timer = setTimeout(fail, milliseconds);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

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

/** The first of some programs that the PATH has. */
export function onPath(...names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** The Chromium of CHROMIUM_PATH, else of the PATH. */
export function chromiumPath() {
  const given = process.env.CHROMIUM_PATH;
  if (given && !isExecutable(given)) throw new Skip(`CHROMIUM_PATH, ${given}, is no program`);
  const found = given || onPath("chromium", "chromium-browser", "google-chrome-stable", "google-chrome");
  if (found) return found;
  throw new Skip("no Chromium on the PATH; install one or set CHROMIUM_PATH");
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
