// A prompt and its story.
import type { Engine } from "./engine.ts";
import { element, perSecond, plural, say } from "./screen.ts";

const prompt = element<HTMLTextAreaElement>("prompt");
const story = element<HTMLOutputElement>("story");
const temperature = element<HTMLInputElement>("temperature");
const tokens = element<HTMLInputElement>("tokens");
let engine: Engine | undefined;
let newest = 0;

/** Uses a model for stories, from now on. */
export function useTeller(opened: Engine, name: string): void {
  engine?.end();
  engine = opened;
  say("story-model", name);
  say("story-status", "");
  setWriting(false);
  engine.listener = (answer) => {
    if (answer.id !== newest) return;
    if (answer.kind === "failure") say("story-status", answer.message);
    if (answer.kind === "end") setWriting(false);
    if (answer.kind !== "piece") return;
    story.append(answer.text);
    say("story-status", `${plural(answer.count, "token")}, ${perSecond(answer.count, answer.ms)} tokens/s`);
  };
  element("go").focus();
}

element("story-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!engine) return;
  newest += 1;
  const given = document.createElement("span");
  given.className = "prompt";
  given.textContent = prompt.value;
  story.replaceChildren(given);
  setWriting(true);
  const options = { max_new_tokens: tokens.valueAsNumber, temperature: temperature.valueAsNumber };
  engine.ask({ kind: "stream", id: newest, prompt: prompt.value, options });
});
element("stop").addEventListener("click", () => engine?.ask({ kind: "stop" }));
temperature.addEventListener("input", showTemperature);

function showTemperature(): void {
  const value = temperature.valueAsNumber;
  say("temperature-value", value === 0 ? "0, greedy" : value.toFixed(1));
}

function setWriting(writing: boolean): void {
  element<HTMLButtonElement>("go").disabled = writing || !engine;
  element<HTMLButtonElement>("stop").disabled = !writing;
  story.ariaBusy = String(writing);
}

showTemperature();
