// The demo page, as a visitor uses it: type, read IPA; give a model's files, read its story.
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, execute, root, Skip } from "./tools.mjs";

const shared = join(root, "../shared/models");

/** Builds the page into build/demo, with a G2P model beside it. */
export function buildDemo() {
  const folder = join(build, "demo");
  execute(process.execPath, [join(root, "demo/build.mjs")]);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(root, "demo/dist"), folder, { recursive: true });
  try {
    cpSync(join(shared, "hama-g2p"), join(folder, "model"), { recursive: true });
  } catch {
    throw new Skip("needs ../shared/models/hama-g2p");
  }
}

/** Visits it; throws when what it shows is wrong. */
export async function tryDemo(page, address, { directory, files, stories }) {
  const timeout = 30_000;
  const { word, ipa } = goldenWord();
  await page.goto(address, { timeout });
  await page.getByRole("textbox", { name: "Text" }).fill(word);
  await page.locator("#ipa", { hasText: ipa }).waitFor({ timeout });
  await page.getByLabel("Choose files").setInputFiles(files.map((name) => join(directory, name)));
  const { prompt, max_new_tokens, text } = stories.find((story) => story.prompt !== "");
  await page.getByRole("textbox", { name: "Prompt" }).fill(prompt);
  await page.getByRole("spinbutton", { name: "New tokens" }).fill(String(max_new_tokens));
  await page.getByRole("button", { name: "Write", disabled: false }).click({ timeout });
  await page.getByRole("button", { name: "Stop", disabled: true }).waitFor({ timeout });
  const told = await page.locator("#story").textContent();
  if (told !== text) throw new Error(`expected ${JSON.stringify(text)}, got ${JSON.stringify(told)}`);
  const shipped = await page.locator("#fact-bytes").textContent();
  const speed = await page.locator("#story-status").textContent();
  return `"${word}" reads ${ipa}; shows ${shipped} shipped, ${speed}`;
}

function goldenWord() {
  const { words } = JSON.parse(readFileSync(join(shared, "hama-g2p/expected.json"), "utf8"));
  return words[0];
}
