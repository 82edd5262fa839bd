import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, extname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type KernelBuild, KiloformerError, type Source } from "kiloformer";
import type { Comparison, ExpectedFacts } from "kiloformer/verify";
import { UsageError } from "../errors.ts";
import { warnings } from "../progress.ts";
import type { Terminal } from "../terminal.ts";

/** What a folder gave. */
export interface BrowserReplay {
  readonly comparisons: readonly Comparison[];
  /** What was computed, as a safetensors file. */
  readonly file: Uint8Array;
}

/** What a page computes with. */
export interface BrowserTask {
  /** The model's files, by their names. */
  readonly model: ReadonlyMap<string, Source>;
  /** expected.safetensors. */
  readonly expected: Uint8Array;
  readonly facts: ExpectedFacts;
  readonly build: KernelBuild | undefined;
}

/** A page that has not answered by then does not. */
const LIMIT_MS = 300_000;

/**
 * Replays a folder in headless Chromium: a page gets the packages' own files and the model's, in ranges as it reads them, from a
 * local server, computes, and sends back what it found.
 * @throws {KiloformerError} what the page throws, or `browser-failed`; {UsageError} where there is no Chromium
 */
export async function replayInBrowser(task: BrowserTask, terminal: Terminal): Promise<BrowserReplay> {
  const chromium = findChromium(terminal);
  const answer = newAnswer();
  const roots = packageRoots();
  const html = page(await importMap(roots), task);
  const server = serve(task, roots, html, answer, warnings(terminal));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const profile = await mkdtemp(join(tmpdir(), "kiloformer-"));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // A group of its own, so that its helper processes end with it.
  const browser = spawn(chromium, [...flags(profile), url], { stdio: "ignore", detached: true });
  browser.once("error", (cause) =>
    answer.reject(new UsageError(`${chromium}: expected to start, got ${cause.message}`)),
  );
  browser.once("exit", (code, signal) =>
    answer.reject(failure(`expected ${chromium} to stay, got ${signal ?? `exit code ${code}`}`)),
  );
  const limit = setTimeout(
    () => answer.reject(failure(`expected an answer within ${LIMIT_MS / 1000} s, got none`)),
    LIMIT_MS,
  );
  const abort = () => answer.reject(terminal.signal?.reason);
  // Also where the process is told to end at once.
  const atExit = () => {
    if (isRunning(browser)) kill(browser);
    rmSync(profile, { recursive: true, force: true });
  };
  process.once("exit", atExit);
  terminal.signal?.addEventListener("abort", abort);
  if (terminal.signal?.aborted) abort();
  try {
    return await answer.promise;
  } finally {
    clearTimeout(limit);
    terminal.signal?.removeEventListener("abort", abort);
    await end(browser);
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    process.off("exit", atExit);
  }
}

const failure = (message: string) => new KiloformerError("browser-failed", `--browser: ${message}`);

const isRunning = ({ pid, exitCode, signalCode }: ChildProcess) =>
  pid !== undefined && (exitCode ?? signalCode) === null;
const kill = ({ pid }: ChildProcess) => process.kill(-(pid as number), "SIGKILL");

async function end(browser: ChildProcess): Promise<void> {
  if (!isRunning(browser)) return;
  const ended = once(browser, "exit");
  kill(browser);
  await ended;
}

function findChromium({ env }: Terminal): string {
  if (env.CHROMIUM_PATH) return env.CHROMIUM_PATH;
  const folders = (env.PATH ?? "").split(":").concat("/usr/bin");
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync);
  if (found) return found;
  throw new UsageError("--browser: expected Chromium, got none", "install it, or set CHROMIUM_PATH to its program");
}

function flags(profile: string): string[] {
  const quiet = ["--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync"];
  // Root may not use the sandbox.
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return ["--headless=new", "--disable-gpu", `--user-data-dir=${profile}`, ...quiet, ...sandbox];
}

interface Answer {
  readonly promise: Promise<BrowserReplay>;
  resolve(result: BrowserReplay): void;
  reject(reason: unknown): void;
}

function newAnswer(): Answer {
  let settle!: Omit<Answer, "promise">;
  const promise = new Promise<BrowserReplay>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever waits sees it; a reason that comes before is kept for them.
  promise.catch(() => {});
  return { promise, ...settle };
}

/** By the first part of a path that the page asks for: the folder of a package. */
function packageRoots(): Readonly<Record<string, string>> {
  const models = fileURLToPath(import.meta.resolve("kiloformer/package.json"));
  const beside = createRequire(models);
  return {
    models: dirname(models),
    core: dirname(beside.resolve("@kiloformer/core/package.json")),
    tokenizers: dirname(beside.resolve("@kiloformer/tokenizers/package.json")),
  };
}

/** A condition's file, or what holds under conditions: of package.json's `imports` and `exports`. */
type Target = string | { readonly default: string };

/** What a page finds the packages' own files by: all that they export, and for each what it imports by `#` names. */
async function importMap(roots: Readonly<Record<string, string>>): Promise<object> {
  const imports: Record<string, string> = {};
  const scopes: Record<string, Record<string, string>> = {};
  for (const [folder, root] of Object.entries(roots)) {
    const facts = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const entries = (targets: Readonly<Record<string, Target>>, prefix: string) =>
      Object.entries(targets ?? {}).map(([key, target]) => {
        const file = typeof target === "string" ? target : target.default;
        return [prefix + key.replace(/^\./, ""), `/${folder}/${file.slice(2)}`];
      });
    Object.assign(imports, Object.fromEntries(entries(facts.exports, facts.name)));
    scopes[`/${folder}/`] = Object.fromEntries(entries(facts.imports, ""));
  }
  return { imports, scopes };
}

const types: Readonly<Record<string, string>> = { ".js": "text/javascript", ".wasm": "application/wasm" };

function serve(
  task: BrowserTask,
  roots: Readonly<Record<string, string>>,
  html: string,
  answer: Answer,
  warn: (message: string) => void,
): Server {
  let comparisons: readonly Comparison[] = [];
  return createServer(async (request, response) => {
    try {
      const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
      if (request.method === "POST") {
        const body = await readBody(request);
        if (path === "/comparisons") comparisons = parseComparisons(body);
        if (path === "/computed") answer.resolve({ comparisons, file: body });
        if (path === "/warnings") for (const message of JSON.parse(body.toString("utf8"))) warn(message);
        if (path === "/failure") answer.reject(parseFailure(body));
        response.end();
        return;
      }
      if (path === "/") {
        response.setHeader("content-type", "text/html").end(html);
        return;
      }
      if (path === "/expected") {
        response.end(task.expected);
        return;
      }
      const [, root, ...rest] = path.split("/");
      if (root === "model") {
        await sendRange(task.model.get(rest.join("/"))!, request, response).catch(answer.reject);
        return;
      }
      const base = roots[root];
      const file = resolve(base, rest.join("/"));
      if (!file.startsWith(base.endsWith(sep) ? base : base + sep)) throw new Error("outside");
      response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
      response.end(await readFile(file));
    } catch {
      response.writeHead(404).end();
    }
  });
}

/** Whole weights may be more than one body holds. */
async function sendRange(source: Source, { headers }: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, begin, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  const bytes = await source.read(Number(begin), Number(last) - Number(begin) + 1);
  response.writeHead(206, { "content-range": `bytes ${begin}-${last}/${source.size}` }).end(bytes);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** JSON has no NaN: there it is null. */
function parseComparisons(body: Buffer): Comparison[] {
  const list = JSON.parse(body.toString("utf8")) as Comparison[];
  return list.map((comparison) => ({ ...comparison, error: comparison.error ?? Number.NaN }));
}

/** The page's own error, where it is a typed one. */
function parseFailure(body: Buffer): KiloformerError {
  const { code, message } = JSON.parse(body.toString("utf8")) as { readonly code?: string; readonly message: string };
  return code === undefined ? failure(message) : new KiloformerError(code, message);
}

function page(importMap: object, { model, facts, build }: BrowserTask): string {
  const sizes = [...model].map(([name, { size }]) => [name, size]);
  const json = (value: unknown) => JSON.stringify(value).replaceAll("<", "\\u003c");
  return `<!doctype html><title>kiloformer verify</title>
<script type="importmap">${json(importMap)}</script>
<script type="module">
const send = (path, body) => fetch(path, { method: "POST", body });
const warnings = [];
try {
  const { architectures, openBareModel, rangeSource, Runtime } = await import("kiloformer");
  const { replay, toSafetensors } = await import("kiloformer/verify");
  const source = ([name, size]) => [name, rangeSource(name, "/model/" + encodeURIComponent(name), { size })];
  const files = new Map(${json(sizes)}.map(source));
  const runtime = await Runtime.create(${json(build ? { build } : {})});
  const bare = await openBareModel(files, architectures, { runtime, onWarning: (message) => warnings.push(message) });
  const expected = new Uint8Array(await (await fetch("/expected")).arrayBuffer());
  const { comparisons, computed } = await replay(bare, expected, ${json(facts)});
  await send("/warnings", JSON.stringify(warnings));
  await send("/comparisons", JSON.stringify(comparisons));
  await send("/computed", toSafetensors(computed));
} catch (error) {
  const { code, message = String(error) } = Object(error);
  await send("/warnings", JSON.stringify(warnings));
  await send("/failure", JSON.stringify({ code: typeof code === "string" ? code : undefined, message }));
}
</script>`;
}
