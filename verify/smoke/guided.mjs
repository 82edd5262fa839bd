// Firefox and WebKit as their makers ship them: started with an address, and from there guided by what guided.js asks.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveModel } from "./sites.mjs";
import { NoAnswer, onPath, Skip, within } from "./tools.mjs";

const starting = 45_000;
const answering = 30_000;
const grace = 2_000;

/** Firefox: of FIREFOX_PATH, else of the PATH. */
export const firefox = {
  command() {
    const program = process.env.FIREFOX_PATH ?? onPath("firefox", "firefox-esr");
    if (!program) throw new Skip("no Firefox on the PATH; install one or set FIREFOX_PATH");
    return { program, args: (profile) => ["--headless", "--no-remote", "--profile", profile] };
  },
  env: {},
};

/** WebKit, the engine of Safari: WebKitGTK's own small browser, on a display that nobody sees. */
export const webkit = {
  command() {
    const browser = process.env.WEBKIT_PATH ?? miniBrowser();
    const program = onPath("xvfb-run");
    if (!browser || !program) throw new Skip("needs xvfb-run, and WebKitGTK's MiniBrowser or another in WEBKIT_PATH");
    return { program, args: () => ["-a", browser, "--private"] };
  },
  env: {
    // As in Safari, whose isolated pages have shared memory.
    JSC_useSharedArrayBuffer: "1",
    WEBKIT_DISABLE_DMABUF_RENDERER: "1",
    // Containers have no namespaces for its sandbox, and the pages are ours.
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
  },
};

/** Distributions have it in /usr/lib/<machine>/webkit2gtk-<version> or /usr/libexec/webkit2gtk-<version>. */
function miniBrowser() {
  const list = (folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name));
  const folders = ["/usr/lib", "/usr/libexec"].filter(existsSync).flatMap(list);
  const engines = folders.flatMap((folder) => [folder, ...list(folder)]).filter((path) => path.includes("webkit"));
  return engines.map((engine) => join(engine, "MiniBrowser")).find(existsSync);
}

/**
 * Starts a browser. `visit(path, call, argument)` sends it to a page and gives what the page's function gives; `agent` is what
 * it calls itself.
 * @throws {Skip} where there is none, or it does not start
 */
export async function startGuided({ command, env }, directory) {
  const { program, args } = command();
  const profile = mkdtempSync(join(tmpdir(), "kiloformer-smoke-"));
  let visited;
  let send;
  let agent;
  let served = false;
  const server = await serveModel(directory, {
    onPage() {
      served = true;
    },
    async "/asked"(userAgent) {
      agent = userAgent;
      return { call: visited.call, argument: visited.argument };
    },
    "/told"({ result, failure }) {
      if (failure === undefined) visited.resolve(result);
      else visited.reject(new Error(failure));
      return new Promise((resolve) => {
        send = resolve;
      });
    },
  });
  let browser;
  const end = async () => {
    const ending = browser;
    browser = send = undefined;
    if (ending?.pid === undefined || ending.exitCode !== null) return;
    const ended = new Promise((resolve) => ending.once("exit", resolve));
    // First so that displays remove their locks.
    process.kill(-ending.pid, "SIGTERM");
    await within(grace, ended).catch(() => {});
    try {
      process.kill(-ending.pid, "SIGKILL");
    } catch {
      // All have ended.
    }
    await ended;
  };
  const go = (address) => {
    if (send) return send(address);
    // A group of its own, so that all its processes end with it.
    const options = { stdio: "ignore", detached: true, env: { ...process.env, ...env, TMPDIR: profile } };
    const started = spawn(program, [...args(profile), address], options);
    browser = started;
    started.once("error", ({ message }) => visited.reject(new Error(message)));
    started.once("exit", (code) => {
      if (browser !== started) return;
      browser = send = undefined;
      visited.reject(new Error(`${program} ended with ${code}`));
    });
  };
  const visit = (path, call, argument, limit = answering) => {
    const answer = new Promise((resolve, reject) => {
      visited = { call, argument, resolve, reject };
      go(`${server.origin}/${path}`);
    });
    return within(limit, answer).catch(async (error) => {
      // What a page that was given up would tell is no answer to what is asked next.
      if (error instanceof NoAnswer) await end();
      throw error;
    });
  };
  const stop = async () => {
    server.close();
    await end();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await visit("start/page.html", "String", "ready", starting);
  } catch (error) {
    await stop();
    // One that has not even asked for the page is none that works here.
    throw served ? error : new Skip(`${program} does not start: ${error.message}`);
  }
  return { visit, stop, agent: () => agent };
}
