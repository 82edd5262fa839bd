// Models that the user gives, and the stories they tell: loaded when the first one is opened.
import { openEngine, spellerOf } from "./engine.ts";
import { modelFiles } from "./files.ts";
import type { OpenModel } from "./messages.ts";
import { element, milliseconds, say } from "./screen.ts";
import type { Speller } from "./spelling.ts";
import { useTeller } from "./stories.ts";

/** What the page does with a model that is open. */
export interface Page {
  useSpeller(speller: Speller, name: string): void;
  showFacts(model: OpenModel): void;
}

/** Opens a model and puts it where it belongs: spellers above, tellers below; or says which files are missing. */
export async function openFiles(given: readonly File[], { useSpeller, showFacts }: Page): Promise<void> {
  const { chosen, name, missing } = modelFiles(given);
  if (missing.length > 0) {
    const got = given.map((file) => file.name).join(", ") || "none";
    say("drop-status", `${name}: expected ${missing.join(" and ")} among the files, got ${got}.`);
    return;
  }
  say("drop-status", `Opening ${name}…`);
  const progress = element<HTMLProgressElement>("progress");
  progress.hidden = false;
  progress.value = 0;
  try {
    const engine = await openEngine(chosen, (percent) => {
      progress.value = percent;
    });
    const { modelType, g2p, loadMs } = engine.model;
    if (g2p) useSpeller(spellerOf(engine), name);
    else useTeller(engine, name);
    showFacts(engine.model);
    const place = g2p ? "it reads what you type above" : "it continues the prompt below";
    say("drop-status", `${name}: ${modelType}, open in ${milliseconds(loadMs)}; ${place}.`);
  } finally {
    progress.hidden = true;
  }
}
