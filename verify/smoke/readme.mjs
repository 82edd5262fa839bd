// README's example for a page, which Node cannot run: the block that writes to `document`, word for word.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readBlocks } from "../examples.mjs";
import { importMap } from "./project.mjs";
import { build, root, Skip } from "./tools.mjs";

const expected = "hɛloʊ";

/** Writes the page into build/readme, with a G2P model beside it. */
export async function writeReadmePage() {
  const folder = join(build, "readme");
  mkdirSync(folder, { recursive: true });
  const blocks = readBlocks(readFileSync(join(root, "README.md"), "utf8"));
  const block = blocks.find(({ language, code }) => /^[tj]s$/.test(language) && code.includes("document."));
  if (!block) throw new Error("README.md: expected a block that writes to `document`, got none");
  const map = JSON.stringify(importMap());
  const { transform } = await import("esbuild");
  const { code } = await transform(block.code, { loader: "ts", format: "esm", target: "es2022" });
  writeFileSync(join(folder, "page.js"), code);
  writeFileSync(
    join(folder, "page.html"),
    `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${map}</script>
<script type="module" src="page.js"></script>`,
  );
  try {
    cpSync(join(root, "../shared/models/hama-g2p"), join(folder, "model"), { recursive: true });
  } catch {
    throw new Skip("needs ../shared/models/hama-g2p");
  }
}

/** Visits it; throws when it does not show the IPA of the example. */
export async function tryReadmePage(page, address) {
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(address);
  try {
    await page.locator("body", { hasText: expected }).waitFor({ timeout: 30_000 });
  } catch (cause) {
    throw new Error(`expected ${expected} on the page, got ${problems.join("; ") || "nothing"}`, { cause });
  }
  return `shows ${expected}`;
}
