// A browser extension (Manifest V3): its background, a service worker, tells the stories; a policy of its own lets it compile.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkError, checkRuns } from "./check.mjs";
import { bundle } from "./project.mjs";
import { build, within } from "./tools.mjs";

const manifest = {
  manifest_version: 3,
  name: "Kiloformer smoke test",
  version: "1",
  background: { service_worker: "extension.js", type: "module" },
};
const policy = { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" };

/** Writes the extension, with and without the policy, a model beside each. */
async function makeExtensions({ directory, files }) {
  const folders = { allowed: join(build, "extension"), forbidden: join(build, "extension-without") };
  for (const [kind, folder] of Object.entries(folders)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const more = kind === "allowed" ? { content_security_policy: policy } : {};
    writeFileSync(join(folder, "manifest.json"), JSON.stringify({ ...manifest, ...more }));
    await bundle({ entryPoints: ["extension.js"], outdir: folder, platform: "browser", loader: { ".wasm": "file" } });
    for (const name of files) cpSync(join(directory, name), join(folder, "model", name));
  }
  return folders;
}

/** What an extension's background says of the stories. */
async function tellInBackground(launch, folder, { files, stories }) {
  const context = await launch([`--disable-extensions-except=${folder}`, `--load-extension=${folder}`]);
  try {
    const background = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
    const told = background.evaluate(
      async (asked) => {
        while (!globalThis.tell) await new Promise((resolve) => setTimeout(resolve, 20));
        return globalThis.tell(asked);
      },
      { base: "/model/", files, stories },
    );
    return await within(60_000, told);
  } finally {
    await context.close();
  }
}

/**
 * Loads both extensions; throws where the stories differ, or what is forbidden is not said.
 * @param launch `(arguments)`: a browser with a profile of its own
 */
export async function tryExtensions(launch, model) {
  const { allowed, forbidden } = await makeExtensions(model);
  const note = checkRuns(await tellInBackground(launch, allowed, model), model.stories);
  const words = /Content-Security-Policy needs script-src 'wasm-unsafe-eval'/;
  checkError(await tellInBackground(launch, forbidden, model), "kernels-refused", words);
  return `${note}, and none without 'wasm-unsafe-eval'`;
}
