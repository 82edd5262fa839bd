// The page: what is typed goes to a worker, what the worker answers goes on the screen.
import { type Engine, openEngine } from "./engine.ts";
import { filesOf, modelFiles } from "./files.ts";
import type { ModelAt, OpenModel } from "./messages.ts";

const element = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const say = (id: string, text: string) => {
  element(id).textContent = text;
};

/** Typing pauses this long before the text is read. */
const DEBOUNCE_MS = 60;

// Spelling to IPA.
const spelling = element<HTMLTextAreaElement>("spelling");
let speller: Engine | undefined;
let lastSpelling = 0;
let debounce: ReturnType<typeof setTimeout> | undefined;

function useSpeller(engine: Engine, name: string): void {
  speller?.end();
  speller = engine;
  say("ipa-model", name);
  element("no-model").hidden = true;
  engine.listener = (answer) => {
    if (answer.id !== lastSpelling) return;
    if (answer.kind === "failure") say("ipa-status", answer.message);
    if (answer.kind !== "ipa") return;
    say("ipa", answer.ipa);
    say("ipa-status", `${plural(countWords(spelling.value), "word")} in ${milliseconds(answer.ms)}`);
  };
  spell();
}

function spell(): void {
  lastSpelling += 1;
  speller?.ask({ kind: "phonemize", id: lastSpelling, text: spelling.value });
}

spelling.addEventListener("input", () => {
  clearTimeout(debounce);
  debounce = setTimeout(spell, DEBOUNCE_MS);
});

// A prompt and its story.
const prompt = element<HTMLTextAreaElement>("prompt");
const story = element<HTMLOutputElement>("story");
const temperature = element<HTMLInputElement>("temperature");
const tokens = element<HTMLInputElement>("tokens");
let teller: Engine | undefined;
let lastStory = 0;

function useTeller(engine: Engine, name: string): void {
  teller?.end();
  teller = engine;
  say("story-model", name);
  say("story-status", "");
  setWriting(false);
  engine.listener = (answer) => {
    if (answer.id !== lastStory) return;
    if (answer.kind === "failure") say("story-status", answer.message);
    if (answer.kind === "end") setWriting(false);
    if (answer.kind !== "piece") return;
    story.append(answer.text);
    say("story-status", `${plural(answer.count, "token")}, ${perSecond(answer.count, answer.ms)} tokens/s`);
  };
}

element("story-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!teller) return;
  lastStory += 1;
  const given = document.createElement("span");
  given.className = "prompt";
  given.textContent = prompt.value;
  story.replaceChildren(given);
  setWriting(true);
  const options = { max_new_tokens: tokens.valueAsNumber, temperature: temperature.valueAsNumber };
  teller.ask({ kind: "stream", id: lastStory, prompt: prompt.value, options });
});
element("stop").addEventListener("click", () => teller?.ask({ kind: "stop" }));
temperature.addEventListener("input", showTemperature);

function showTemperature(): void {
  const value = temperature.valueAsNumber;
  say("temperature-value", value === 0 ? "0, greedy" : value.toFixed(1));
}

function setWriting(writing: boolean): void {
  element<HTMLButtonElement>("go").disabled = writing || !teller;
  element<HTMLButtonElement>("stop").disabled = !writing;
  story.ariaBusy = String(writing);
}

// Models: from beside the page, or from the user's files.
const drop = element("drop");
const progress = element<HTMLProgressElement>("progress");

/** Opens a model and puts it where it belongs: spellers above, tellers below. */
async function open(files: ModelAt, name: string): Promise<OpenModel> {
  progress.hidden = false;
  progress.value = 0;
  try {
    const engine = await openEngine(files, (percent) => {
      progress.value = percent;
    });
    if (engine.model.g2p) useSpeller(engine, name);
    else useTeller(engine, name);
    showFacts(engine.model);
    return engine.model;
  } finally {
    progress.hidden = true;
  }
}

async function openFiles(given: readonly File[]): Promise<void> {
  const { chosen, name, missing } = modelFiles(given);
  if (missing.length > 0) {
    const got = given.map((file) => file.name).join(", ") || "none";
    say("drop-status", `${name}: expected ${missing.join(" and ")} among the files, got ${got}.`);
    return;
  }
  say("drop-status", `Opening ${name}…`);
  try {
    const { modelType, g2p, loadMs } = await open(chosen, name);
    const use = g2p ? "it reads what you type above" : "it continues the prompt below";
    say("drop-status", `${name}: ${modelType}, open in ${milliseconds(loadMs)}; ${use}.`);
    if (!g2p) element("go").focus();
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
addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer) await openFiles(await filesOf(event.dataTransfer));
});

function showFacts({ build, loadMs, kernelBytes, heldBytes }: OpenModel): void {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const scripts = entries.filter(({ name }) => name.endsWith(".js"));
  // Each worker fetches the same script: it counts once.
  const sizes = new Map(scripts.map(({ name, encodedBodySize }) => [name, encodedBodySize]));
  const scriptBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const plain = scripts.every(({ encodedBodySize, decodedBodySize }) => encodedBodySize === decodedBodySize);
  const note = `${kilobytes(scriptBytes)} script, ${kilobytes(kernelBytes)} kernels`;
  say("fact-bytes", kilobytes(scriptBytes + kernelBytes));
  say("fact-bytes-note", plain ? `${note}; this server does not compress` : note);
  say("fact-load", milliseconds(loadMs));
  say("fact-build", build === "relaxed" ? "relaxed SIMD" : "SIMD");
  say("fact-memory", `${(heldBytes / 2 ** 20).toFixed(1)} MB`);
}

const countWords = (text: string) => text.match(/[\p{L}\p{M}]+/gu)?.length ?? 0;
const plural = (count: number, noun: string) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const milliseconds = (ms: number) => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString("en")} ms`);
const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} kB`;
const perSecond = (count: number, ms: number) => Math.round((1000 * count) / Math.max(ms, 1)).toLocaleString("en");

showTemperature();
setWriting(false);
open(new URL("model/", location.href).href, "the one beside this page").catch((error: Error) => {
  say("ipa-model", "none yet");
  say("ipa-status", error.message);
  element("no-model").hidden = false;
});
