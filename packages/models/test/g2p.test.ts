// Our own grapheme-to-phoneme model: `import { g2p } from "kiloformer/g2p"`, without a path.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { g2p } from "../src/g2p.ts";
import { createPipeline, Pipeline } from "../src/index.ts";

const folder = fileURLToPath(new URL("../g2p", import.meta.url));
const texts = [
  "Hello 안녕하세요",
  "The quick brown fox jumps over 13 lazy dogs, doesn't it?",
  "한국어는 재미있습니다. 2026년",
  "Kubernetes, São Paulo, NASA and a naïve café",
];

describe("g2p()", () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await g2p({ deterministic: true });
  });
  afterAll(() => pipeline.dispose());

  test("opens the model of the package, packed: bit for bit what its folder says", async () => {
    const opened = await Pipeline.fromDirectory(folder, { deterministic: true });
    const options = { num_return_sequences: 3 };
    expect(await pipeline.pronounceBatch(texts, options)).toEqual(await opened.pronounceBatch(texts, options));
    expect(await pipeline.phonemizeBatch(texts)).toEqual(await opened.phonemizeBatch(texts));
    await opened.dispose();
  });

  test("is the same one at a time and together, in any company", async () => {
    const words = texts.join(" ").split(/\s+/);
    const alone: string[] = [];
    for (const word of words) alone.push(await pipeline.phonemize(word));
    expect(await pipeline.phonemizeBatch(words)).toEqual(alone);
    expect(await pipeline.phonemizeBatch(words.toReversed())).toEqual(alone.toReversed());
  });

  test("says everyday words as the dictionaries do", async () => {
    const said = await pipeline.phonemizeBatch(["the", "does", "nation", "ship", "knight", "학교", "한국"]);
    expect(said).toEqual(["ðʌ", "dʌz", "neɪʃʌn", "ʃɪp", "naɪt", "ha̠k̚k͈jo", "ha̠nɡuk̚"]);
  });

  test("says what PyTorch says with the same weights, wherever no rounding decides", async () => {
    const expected = await readFile(new URL("../../../verify/g2p/expected.tsv", import.meta.url), "utf8");
    const lines = expected.trim().split("\n").slice(1);
    const decided = lines.map((line) => line.split("\t")).filter(([, , margin]) => Number(margin) > 0.002);
    expect(decided.length).toBeGreaterThan(1950);
    const opened = await Pipeline.fromDirectory(folder, { dtype: "f32", deterministic: true });
    const said = await opened.phonemizeBatch(decided.map(([word]) => word));
    expect(said).toEqual(decided.map(([, ipa]) => ipa));
    await opened.dispose();
  });

  test("takes a word of any length that its context holds", async () => {
    const long = "pneumonoultramicroscopicsilicovolcanoconiosis";
    const [{ phones, alignment }] = await pipeline.pronounce(long);
    expect(phones.length).toBeGreaterThan(20);
    expect(alignment[0][0]).toBe(0);
    for (const [index, [begin, end]] of alignment.entries()) {
      expect(end).toBeGreaterThan(begin);
      expect(begin).toBeGreaterThanOrEqual(index > 0 ? alignment[index - 1][0] : 0);
    }
    expect(alignment.at(-1)?.[1]).toBeLessThanOrEqual(long.length);
  });

  test("uses the build that the engine runs, or the file that it is given", async () => {
    expect(pipeline.build).toBe("simd");
    const bytes = await readFile(new URL("../dist/g2p-simd.wasm", import.meta.url));
    const given = await g2p({ file: bytes });
    expect(given.build).toBe("simd");
    expect(await given.phonemizeBatch(texts)).toEqual(await pipeline.phonemizeBatch(texts));
    await given.dispose();
    await expect(g2p({ file: new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]) })).rejects.toMatchObject({
      code: "not-packed",
    });
    await expect(g2p({ dtype: "f32" } as object)).rejects.toMatchObject({ code: "conflicting-options" });
  });

  test("as a family it opens other models", async () => {
    const opened = await createPipeline([g2p]).fromDirectory(folder, { deterministic: true });
    expect(await opened.phonemize(texts[0])).toBe(await pipeline.phonemize(texts[0]));
    await opened.dispose();
  });
});

test("a bundle as CommonJS, which knows no address of its own, says what to do", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: 'export { g2p } from "../src/g2p.ts";',
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    ...{ bundle: true, format: "cjs", platform: "node", conditions: ["@kiloformer/source"] },
    ...{ write: false, logLevel: "silent" },
  });
  const module = { exports: {} as { g2p: typeof g2p } };
  new Function("module", "require", outputFiles[0].text)(module, createRequire(import.meta.url));
  await expect(module.exports.g2p()).rejects.toMatchObject({ name: "RuntimeError", code: "model-not-found" });
});
