// The demo page, as a visitor uses it, by keyboard too: type, read IPA, choose another way; give a model's files, read its story.
import { join } from "node:path";
import { execute, root } from "./tools.mjs";

const timeout = 30_000;

/** Builds the page, which any static server shows. */
export function buildDemo() {
  execute(process.execPath, [join(root, "demo/build.mjs")]);
}

/** Visits it; throws when what it shows is wrong, or its policy was broken. */
export async function tryDemo(page, address, { directory, files, stories }) {
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  await page.goto(address, { timeout });
  const heard = await spell(page);
  await choose(page);
  await loadsLittle(page);
  await page.getByLabel("Choose files").setInputFiles(files.map((name) => join(directory, name)));
  const { prompt, max_new_tokens, text } = stories.find((story) => story.prompt !== "");
  await page.getByRole("textbox", { name: "Prompt" }).fill(prompt);
  await page.getByRole("spinbutton", { name: "New tokens" }).fill(String(max_new_tokens));
  await page.getByRole("button", { name: "Write", disabled: false }).click({ timeout });
  await page.getByRole("button", { name: "Stop", disabled: true }).waitFor({ timeout });
  expectEqual(await page.locator("#story").textContent(), text);
  expectEqual(problems.join("; "), "");
  return `${heard}; from the cache the first IPA is there after ${await firstIpa(page, address)} ms (median of 9)`;
}

/** Milliseconds from opening the page, which the browser has in its cache, to the first IPA. */
async function firstIpa(page, address) {
  const all = [];
  for (let load = 0; load < 9; load++) {
    await page.goto(address, { timeout });
    const first = page.locator("#fact-first", { hasText: "ms" });
    all.push(Number.parseFloat(await first.textContent({ timeout })));
  }
  return all.sort((a, b) => a - b)[4];
}

/** Letters stand over their phones, silent ones over none. */
async function spell(page) {
  await page.getByRole("textbox", { name: "Text" }).fill("knight, 3");
  await page.locator("#ipa", { hasText: "naɪt, θɹi" }).waitFor({ timeout });
  const groups = await page
    .locator("button.word .group")
    .evaluateAll((all) => all.map((group) => [...group.children].map((part) => part.textContent)));
  expectEqual(
    JSON.stringify(groups.map(([letters, , phones]) => `${letters}:${phones}`)),
    '["kn:n","igh:aɪ","t:t","3:θɹi"]',
  );
  // A page must not offer to play what it cannot: browsers play no IPA, and this one has no voice.
  const voices = await page.evaluate(() => speechSynthesis.getVoices().length);
  if (voices === 0)
    await page.getByRole("button", { name: "Read the text aloud", disabled: true }).waitFor({ timeout });
  return "knight reads naɪt";
}

/** By keyboard: from the text to a word, its ways, another one; it stays, and goes when it is taken back. */
async function choose(page) {
  const text = page.getByRole("textbox", { name: "Text" });
  await text.focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const ways = page.locator("#ways button");
  await ways.nth(1).waitFor({ timeout });
  const other = await ways.nth(1).locator(".ipa").textContent();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("#ipa", { hasText: `${other}, θɹi` }).waitFor({ timeout });
  await text.fill("the knight");
  await page.locator("#ipa", { hasText: new RegExp(` ${other}$`) }).waitFor({ timeout });
  await page.getByRole("button", { name: "knight: other ways to say it" }).click();
  await ways.first().click({ timeout });
  await page.locator("#ipa", { hasText: / naɪt$/ }).waitFor({ timeout });
}

/** All that the page has loaded, uncompressed: page, style, script, kernels, weights, vocabulary. */
async function loadsLittle(page) {
  const bytes = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .concat(performance.getEntriesByType("navigation"))
      .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0),
  );
  if (bytes > 493_408) throw new Error(`expected at most 493,408 bytes on the page, got ${bytes}`);
}

function expectEqual(got, expected) {
  if (got !== expected) throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`);
}
