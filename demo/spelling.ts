// Text to IPA as it is typed, how letters and phones belong together, and other ways to say a word.
import type { Pronunciation } from "kiloformer/core";
import { drawWord, readWords, type Word } from "./drawing.ts";
import type { WaysOptions } from "./messages.ts";
import { element, make, milliseconds, plural, say } from "./screen.ts";

/** What turns text into IPA: a pipeline, or a worker that has one. */
export interface Speller {
  pronounce(text: string, options: WaysOptions & { readonly signal: AbortSignal }): Promise<readonly Pronunciation[]>;
  dispose(): unknown;
}

/** Ways to say a word that are offered. */
const WAYS = 5;
/** Words, and what stands between them, that are drawn: of a book a page cannot draw all. */
const MOST_DRAWN = 400;

const spelling = element<HTMLTextAreaElement>("spelling");
const drawing = element("drawing");
const choices = element("choices");
const own = element<HTMLInputElement>("own-ipa");
const play = element<HTMLButtonElement>("play");
/** What the user chose, by word. */
const lexicon = new Map<string, string>();

let speller: Speller | undefined;
let running = new AbortController();
let chosen: string | undefined;
let isFirst = true;

/** Uses a model for what is typed, from now on. */
export function useSpeller(opened: Speller, name: string): void {
  speller?.dispose();
  speller = opened;
  say("ipa-model", name);
  closeChoices();
  spell();
}

/** The ways to say a text, unless something newer is asked before they are there, or something is wrong. */
async function ask(text: string, options: WaysOptions): Promise<readonly Pronunciation[] | undefined> {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  try {
    const ways = await speller?.pronounce(text, { ...options, signal });
    return signal.aborted ? undefined : ways;
  } catch (error) {
    if (!signal.aborted) say("ipa-status", (error as Error).message);
    return undefined;
  }
}

async function spell(): Promise<void> {
  const text = spelling.value;
  const start = performance.now();
  const [way] = (await ask(text, { lexicon })) ?? [];
  if (!way) return;
  const end = performance.now();
  say("ipa", way.ipa);
  if (isFirst) say("fact-first", milliseconds(end));
  isFirst = false;
  const count = draw(text, way);
  say("ipa-status", `${plural(count, "word")}, ${plural(way.phones.length, "phone")} in ${milliseconds(end - start)}`);
  showVoice();
}

/** Draws a text's words; returns how many there are. */
function draw(text: string, way: Pronunciation): number {
  const words = readWords(text, way);
  drawing.replaceChildren(
    ...words
      .slice(0, MOST_DRAWN)
      .map((word) => (word.isWord ? wordButton(text, word) : make("span", "between", word.text))),
    ...(words.length > MOST_DRAWN ? [make("span", "between", "…")] : []),
  );
  return words.filter(({ isWord }) => isWord).length;
}

function wordButton(text: string, word: Word): HTMLElement {
  const button = make("button", lexicon.has(word.text) ? "word chosen" : "word", ...drawWord(text, word));
  button.setAttribute("type", "button");
  button.ariaLabel = `${word.text}: other ways to say it`;
  button.dataset.word = word.text;
  button.addEventListener("click", () => choose(word.text));
  return button;
}

/** Offers the ways in which the model itself would say a word. */
async function choose(word: string): Promise<void> {
  const ways = await ask(word, { num_return_sequences: WAYS });
  if (!ways) return;
  chosen = word;
  const current = lexicon.get(word) ?? ways[0].ipa;
  const options = ways.map(({ ipa, score }, index) => {
    const percent = `${(100 * Math.exp(score)).toFixed(0)} %`;
    const button = make("button", "way", make("span", "ipa", ipa), make("span", "note", percent));
    button.setAttribute("type", "button");
    button.ariaPressed = String(ipa === current);
    button.addEventListener("click", () => accept(word, index === 0 ? undefined : ipa));
    return button;
  });
  say("choices-title", `Ways to say “${word}”`);
  element("ways").replaceChildren(...options);
  own.value = lexicon.get(word) ?? "";
  choices.hidden = false;
  (options.find(({ ariaPressed }) => ariaPressed === "true") ?? own).focus();
}

function accept(word: string, ipa: string | undefined): void {
  if (ipa) lexicon.set(word, ipa);
  else lexicon.delete(word);
  closeChoices();
  spell();
  spelling.focus();
}

function closeChoices(): void {
  choices.hidden = true;
  chosen = undefined;
}

/** Closes them and goes back to the word. */
function leaveChoices(): void {
  const word = chosen;
  closeChoices();
  const buttons = Array.from(drawing.querySelectorAll<HTMLElement>("button.word"));
  (buttons.find(({ dataset }) => dataset.word === word) ?? spelling).focus();
}

// What a page can play: a voice of the system that reads the text. No voice reads IPA.
function voiceFor(text: string): SpeechSynthesisVoice | undefined {
  const language = /\p{Script=Hangul}/u.test(text) ? "ko" : "en";
  return globalThis.speechSynthesis?.getVoices().find(({ lang }) => lang.startsWith(language));
}

function showVoice(): void {
  const voice = voiceFor(spelling.value);
  play.disabled = voice === undefined || spelling.value.trim() === "";
  say(
    "voice",
    voice
      ? `${voice.name} reads the text as it is spelled; browsers cannot play IPA`
      : "no voice here reads this text, and browsers cannot play IPA",
  );
}

play.addEventListener("click", () => {
  const utterance = new SpeechSynthesisUtterance(spelling.value);
  utterance.voice = voiceFor(spelling.value) ?? null;
  speechSynthesis.cancel();
  speechSynthesis.speak(utterance);
});
globalThis.speechSynthesis?.addEventListener?.("voiceschanged", showVoice);

element("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(element("ipa").textContent ?? "");
    say("ipa-status", "copied");
  } catch (error) {
    say("ipa-status", `not copied: ${(error as Error).message}`);
  }
});
element("choices-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen !== undefined) accept(chosen, own.value.trim());
});
element("close-choices").addEventListener("click", leaveChoices);
choices.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") leaveChoices();
});
spelling.addEventListener("input", () => {
  closeChoices();
  spell();
});
