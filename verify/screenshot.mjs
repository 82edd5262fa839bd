// `npm run screenshot`: the demo page as Chromium shows it, in light and dark: demo/light.png, demo/dark.png.
import { join } from "node:path";
import { ensureBuilt, root } from "./built.mjs";
import { buildDemo } from "./smoke/demo.mjs";
import { serveSites } from "./smoke/server.mjs";
import { chromiumPath, installTools, tool } from "./smoke/tools.mjs";

ensureBuilt();
installTools();
buildDemo();
const { chromium } = await tool("playwright-core");
const server = await serveSites({ demo: { root: join(root, "demo/dist"), gzip: true } });
const browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
for (const colorScheme of ["light", "dark"]) {
  const page = await browser.newPage({ viewport: { width: 960, height: 1030 }, colorScheme });
  // The second load is one from the cache.
  for (let load = 0; load < 2; load++) {
    await page.goto(`${server.origin}/demo/index.html`);
    await page.locator("button.word").first().waitFor();
  }
  await page.getByRole("button", { name: "knight: other ways to say it" }).click();
  await page.locator("#ways button").first().waitFor();
  const path = join(root, `demo/${colorScheme}.png`);
  await page.screenshot({ path });
  console.log(path);
}
await browser.close();
server.close();
