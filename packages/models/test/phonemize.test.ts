// `phonemize` on a small random model: what fits into its context, where its words end, what it takes.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Pipeline } from "../src/index.ts";
import { failing } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await Pipeline.fromFiles(tinyFiles());
});
afterAll(() => pipeline.dispose());

test("words longer than the context pass through phonemize, and are spoken of", async () => {
  const onWarning = vi.fn();
  const small = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 12 } }), { onWarning });
  const word = "abcdefghabcdefgh";
  expect(await small.phonemize(`ab ${word}!`)).toBe(`${await small.phonemize("ab")} ${word}!`);
  expect(onWarning).toHaveBeenCalledWith(
    `phonemize: expected words that fit with their IPA into 12 tokens, got "${word}"`,
  );
  await small.dispose();
});

test("of what is no more than a context holds, letters and IPA, nothing is lost unspoken of", async () => {
  const onWarning = vi.fn();
  const config = { max_position_embeddings: 12 };
  const small = await Pipeline.fromFiles(tinyFiles({ config }), { onWarning });
  await small.phonemize("abcdefghab abcdefghabc");
  expect(onWarning.mock.calls.flat()).toEqual([
    'phonemize: expected words that fit with their IPA into 12 tokens, got "abcdefghabc"',
    'phonemize: expected words that fit with their IPA into 12 tokens, got "abcdefghab"',
  ]);
  await small.dispose();
  onWarning.mockClear();
  const ordered = await Pipeline.fromFiles(tinyFiles({ config: { ...config, letter_distance: 9 } }), { onWarning });
  // One token for each letter: five letters, <sos> and five tokens are eleven.
  expect(await ordered.phonemize("abcde abcdef 가각")).toMatch(/ abcdef (?!가각)/);
  expect(onWarning.mock.calls.flat()).toEqual([
    'phonemize: expected words that fit with their IPA into 12 tokens, got "abcdef"',
  ]);
  await ordered.dispose();
});

test("words end with the vocabulary's <eos>, whatever the files say of texts", async () => {
  const words = ["abc", "bad", "cafe", "ab"];
  const ipa = await pipeline.phonemizeBatch(words);
  for (const files of [
    tinyFiles({ config: { eos_token_id: null } }),
    tinyFiles({ config: { eos_token_id: 2 } }),
    { ...tinyFiles(), "generation_config.json": "{}" },
  ]) {
    const other = await Pipeline.fromFiles(files);
    expect(await other.phonemizeBatch(words)).toEqual(ipa);
    await other.dispose();
  }
});

test("phonemize takes texts only", async () => {
  await expect(pipeline.phonemize(7 as unknown as string)).rejects.toEqual(
    failing("bad-text", "phonemize: expected text, got 7"),
  );
  await expect(pipeline.phonemizeBatch("abc" as unknown as string[])).rejects.toEqual(
    failing("bad-text", 'phonemize: expected an array of texts, got "abc"'),
  );
});
