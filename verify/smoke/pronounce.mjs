// n-best pronunciations with their alignment: the same in Node, on a page and in a worker, alone and together.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleForPronouncing, project } from "./project.mjs";
import { build, root, Skip } from "./tools.mjs";

const model = join(root, "../shared/models/hama-g2p");
const names = ["config.json", "model.safetensors", "vocab.json"];

/** Writes the page into build/pronounce, with a G2P model beside it. */
export async function makePronouncePage() {
  if (!existsSync(model)) throw new Skip("needs ../shared/models/hama-g2p");
  const folder = join(build, "pronounce");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundleForPronouncing(folder);
  for (const name of names) cpSync(join(model, name), join(folder, "model", name));
  writeFileSync(
    join(folder, "page.html"),
    '<!doctype html><link rel="icon" href="data:,"><script type="module" src="pronounce-esbuild.js"></script>',
  );
}

/** Visits it; throws where page, worker and Node differ, or one at a time and together. */
export async function tryPronouncePage(page, address) {
  await page.goto(address);
  await page.waitForFunction(() => globalThis.sayHere);
  const base = new URL("model/", address).href;
  const here = await page.evaluate((base) => globalThis.sayHere(base), base);
  const inWorker = await page.evaluate((base) => globalThis.sayInWorker(base), base);
  const { sayAll } = await import(pathToFileURL(join(project, "pronounce.js")));
  const node = await sayAll(Object.fromEntries(names.map((name) => [name, readFileSync(join(model, name))])));
  const expected = JSON.stringify(node);
  if (JSON.stringify(node.alone) !== JSON.stringify(node.together)) throw new Error("Node: alone and together differ");
  for (const [place, told] of Object.entries({ page: here, worker: inWorker })) {
    if (JSON.stringify(told) !== expected) throw new Error(`${place}: ${differing(expected, JSON.stringify(told))}`);
  }
  return `page, worker and Node say the same, ${node.together.flat(2).length} ways, bit for bit`;
}

function differing(expected, got) {
  const at = [...expected].findIndex((character, index) => character !== got[index]);
  return `expected ${expected.slice(Math.max(0, at - 40), at + 40)}, got ${got.slice(Math.max(0, at - 40), at + 40)}`;
}
