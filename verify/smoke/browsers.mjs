// The browser cases: what holds in all of them, and what only Chromium can be driven to do.
import { join } from "node:path";
import { buildDemo, tryDemo } from "./demo.mjs";
import { tryExtensions } from "./extension.mjs";
import { firefox, startGuided, webkit } from "./guided.mjs";
import { pageCases } from "./pages.mjs";
import { kiloformer } from "./project.mjs";
import { makePronouncePage, tryPronouncePage } from "./pronounce.mjs";
import { tryReadmePage, writeReadmePage } from "./readme.mjs";
import { serveModel } from "./sites.mjs";
import { chromiumPath, NoAnswer, root, tool, within } from "./tools.mjs";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--no-first-run",
  "--disable-component-update",
  "--disable-sync",
];
const timeout = 60_000;

/** The smoke tests in browsers: `[label, run]` each; a browser starts with its first. `stop` ends them. */
export function browserCases(model) {
  const all = [
    chromiumCases(model),
    guidedCases("Firefox", firefox, /Firefox\/[\d.]+/, model),
    guidedCases("WebKit", webkit, /AppleWebKit\/[\d.]+/, model),
  ];
  return {
    cases: all.flatMap(({ cases }) => cases),
    stop: () => Promise.all(all.map(({ stop }) => stop())),
  };
}

/** Adds to the first case which browser it was. */
function named(browser, cases, version) {
  return cases.map(([label, run], index) => [
    `${browser}, ${label}`,
    index > 0 ? run : async () => `${await run()}, ${await version()}`,
  ]);
}

function guidedCases(name, browser, version, model) {
  let started;
  const start = () => {
    started ??= startGuided(browser, model.directory);
    return started;
  };
  const visit = async (...request) => (await start()).visit(...request);
  const stop = async () => (await started?.catch(() => undefined))?.stop();
  const cases = pageCases(visit, model).map(([label, run]) => [label, () => twice(run)]);
  return { cases: named(name, cases, async () => (await start()).agent().match(version)[0]), stop };
}

/** A browser that gave no answer was ended: a new one gets one more try, and the line says so. */
async function twice(run) {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return `${await run()}, at the second try: ${error.message} at the first`;
  }
}

function chromiumCases(model) {
  let started;
  const start = () => {
    started ??= startChromium(model.directory);
    return started;
  };
  /** Opens a page of a site and calls one of its functions. */
  const visit = async (path, call, argument) => {
    const { browser, server } = await start();
    const page = await browser.newPage();
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    try {
      await page.goto(`${server.origin}/${path}`, { timeout });
      const called = page.evaluate(([name, asked]) => globalThis[name](asked), [call, argument]);
      return await within(timeout, called);
    } catch (error) {
      throw new Error([error.message, ...problems].join("; "));
    } finally {
      await page.close();
    }
  };
  /** Makes a page and tries it. */
  const onPage = async (make, path, attempt) => {
    const { browser, server } = await start();
    await make();
    const page = await browser.newPage();
    try {
      return await attempt(page, `${server.origin}/${path}`);
    } finally {
      await page.close();
    }
  };
  const cases = [
    ...pageCases(visit, model),
    ["README's example for a page", () => onPage(writeReadmePage, "readme/page.html", tryReadmePage)],
    [
      "pronunciations on a page and in a Web Worker",
      () => onPage(makePronouncePage, "pronounce/page.html", tryPronouncePage),
    ],
    ["an extension's background (Manifest V3), esbuild bundle", () => tryExtensions(launchProfile, model)],
    ["kiloformer verify --browser, both builds", verifyInChromium],
    ["the demo page", () => onPage(buildDemo, "demo/index.html", (page, url) => tryDemo(page, url, model))],
  ];
  const stop = async () => {
    const running = await started?.catch(() => undefined);
    await running?.browser.close();
    running?.server.close();
  };
  return { cases: named("Chromium", cases, async () => (await start()).browser.version()), stop };
}

async function startChromium(directory) {
  const executablePath = chromiumPath();
  const { chromium } = await tool("playwright-core");
  const browser = await chromium.launch({ executablePath, args: flags, timeout });
  return { browser, server: await serveModel(directory) };
}

async function launchProfile(more) {
  const executablePath = chromiumPath();
  const { chromium } = await tool("playwright-core");
  return chromium.launchPersistentContext("", { executablePath, args: [...flags, ...more], timeout });
}

function verifyInChromium() {
  const folder = join(root, "verify/fixtures/llama-sharded");
  process.env.CHROMIUM_PATH ??= chromiumPath();
  const last = ["simd", "relaxed"].map((name) =>
    kiloformer("verify", folder, "--browser", "--build", name).trim().split("\n").at(-1),
  );
  if (last.some((line) => !/^[1-9]\d* tensors compared, 0 failed$/.test(line))) throw new Error(last.join("; "));
  return last[0];
}
