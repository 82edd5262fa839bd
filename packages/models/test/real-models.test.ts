import { describe, expect, test } from "vitest";
import { Pipeline } from "../src/index.ts";
import { builds, debugRuntime, readJson, shared } from "./shared.ts";

describe.skipIf(!shared).each(builds)("hama-g2p, %s build", (build) => {
  const folder = `${shared}models/hama-g2p`;

  test("all 699 words give the published ids and IPA, alone and together", async () => {
    const { words } = readJson(`${folder}/expected.json`);
    const runtime = await debugRuntime(build);
    const pipeline = await Pipeline.fromDirectory(folder, { runtime });
    expect(words).toHaveLength(699);
    for (const { word, input_ids, output_ids, ipa } of words) {
      expect(pipeline.tokenizer!.encode(word).ids).toEqual(input_ids);
      const result = await pipeline.generate(word, { return_dict_in_generate: true });
      expect([word, result.ids, result.text]).toEqual([word, output_ids, ipa]);
    }
    const spelled = words.map(({ word }: { word: string }) => word);
    expect(await pipeline.phonemizeBatch(spelled)).toEqual(words.map(({ ipa }: { ipa: string }) => ipa));
    runtime.dispose();
  });

  test("the logits after hello<sos> are within 1e-4", async () => {
    const { logits_after_hello_sos: expected } = readJson(`${folder}/expected.json`);
    const runtime = await debugRuntime(build);
    const pipeline = await Pipeline.fromDirectory(folder, { runtime });
    const { ids } = pipeline.tokenizer!.encode("hello");
    const logits = (await pipeline.logits(ids)).slice(-expected.length);
    const differences = Array.from(logits, (logit, id) => Math.abs(logit - expected[id]));
    expect(Math.max(...differences)).toBeLessThan(1e-4);
    runtime.dispose();
  });
});

describe.skipIf(!shared).each(builds)("tinystories-260k, %s build", (build) => {
  const folder = `${shared}models/tinystories-260k`;

  test("the four stories are equal token for token, and their first logits within 1e-3", async () => {
    const { stories } = readJson(`${folder}/expected.json`);
    const runtime = await debugRuntime(build);
    const pipeline = await Pipeline.fromDirectory(folder, { runtime });
    for (const { prompt, input_ids, output_ids, text, first_logits } of stories) {
      expect(pipeline.tokenizer!.encode(prompt).ids).toEqual(input_ids);
      const options = { max_new_tokens: output_ids.length };
      const result = await pipeline.generate(prompt, { ...options, return_dict_in_generate: true });
      expect(result.ids).toEqual(output_ids);
      let streamed = "";
      for await (const piece of pipeline.stream(prompt, options)) streamed += piece;
      expect(streamed).toBe(result.text);
      expect((prompt + result.text).trimStart()).toBe(text.trimStart());
      const logits = (await pipeline.logits(input_ids)).slice(-512);
      const worst = Math.max(...first_logits.map((value: number, id: number) => Math.abs(value - logits[id])));
      expect(worst).toBeLessThan(1e-3);
    }
    runtime.dispose();
  });
});
