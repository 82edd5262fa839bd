// The page: opens models, our own first, and shows what they take. spelling.ts and stories.ts are its two halves.
import { filesOf } from "./dropped.ts";
import type { OpenModel } from "./messages.ts";
import { openOwn } from "./own-model.ts";
import { element, kilobytes, milliseconds, say } from "./screen.ts";
import { useSpeller } from "./spelling.ts";

const drop = element("drop");

openOwn().then(
  ({ pipeline, model }) => {
    useSpeller(pipeline, "our own, English and Korean");
    showFacts(model);
  },
  (error: Error) => {
    say("ipa-model", "none");
    say("ipa-status", error.message);
  },
);

/** Opens models that the user gives, or says what is wrong; the code for it comes when it is first needed. */
async function openFiles(given: readonly File[] | Promise<readonly File[]>): Promise<void> {
  try {
    const [opening, files] = await Promise.all([import("./opening.js"), given]);
    await opening.openFiles(files, { useSpeller, showFacts });
  } catch (error) {
    say("drop-status", (error as Error).message);
  }
}

for (const id of ["files", "folder"]) {
  const input = element<HTMLInputElement>(id);
  input.addEventListener("change", async () => {
    await openFiles(Array.from(input.files ?? []));
    input.value = "";
  });
}
// Anywhere on the page: a file that misses the box would else replace the page.
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer) openFiles(filesOf(event.dataTransfer));
});

function showFacts({ build, loadMs, wasmBytes, heldBytes }: OpenModel): void {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const scripts = entries.filter(({ name }) => name.endsWith(".js"));
  // Each worker fetches the same script: it counts once.
  const sizes = new Map(scripts.map(({ name, encodedBodySize }) => [name, encodedBodySize]));
  const scriptBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const plain = scripts.every(({ encodedBodySize, decodedBodySize }) => encodedBodySize === decodedBodySize);
  say("fact-bytes", kilobytes(scriptBytes + wasmBytes));
  say(
    "fact-bytes-note",
    `${kilobytes(scriptBytes)} script, ${kilobytes(wasmBytes)} kernels and model${plain ? "; not compressed here" : ""}`,
  );
  say("fact-load", milliseconds(loadMs));
  say("fact-build", build === "relaxed" ? "relaxed" : "baseline");
  say("fact-memory", `${(heldBytes / 2 ** 20).toFixed(1)} MB`);
}
