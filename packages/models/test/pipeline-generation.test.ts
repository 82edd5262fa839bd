import * as jinja from "@huggingface/jinja";
import { describe, expect, test } from "vitest";
import { Pipeline } from "../src/index.ts";
import { failing, shared } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

const words = ["<pad>", "<unk>", "<s>", "</s>", "<|user|>", "<|model|>", ..."abcdefghijklm"];
const tokenizerJson = JSON.stringify({
  added_tokens: words.slice(0, 6).map((content, id) => ({ id, content, special: true })),
  pre_tokenizer: { type: "WhitespaceSplit" },
  model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: "<unk>" },
  decoder: null,
});
const template =
  "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|> {{ message.content }} {% endfor %}" +
  "{% if add_generation_prompt %}<|model|>{% endif %}";

/** A small Llama with a tokenizer of words and a chat template. */
function wordFiles() {
  const { "vocab.json": _, ...files } = tinyFiles();
  const settings = { bos_token: "<s>", eos_token: "</s>", chat_template: template };
  return { ...files, "tokenizer.json": tokenizerJson, "tokenizer_config.json": JSON.stringify(settings) };
}

const free = { max_new_tokens: 6, eos_token_id: null } as const;

describe("files that are given as streams", () => {
  const chunks = (bytes: Uint8Array) => {
    const state = { cancelled: false };
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytes),
      cancel: () => {
        state.cancelled = true;
      },
    });
    return { stream, state };
  };

  test("are cancelled when the load fails, and those that nothing reads when it is done", async () => {
    const files = tinyFiles();
    const unread = chunks(new Uint8Array(9));
    await expect(
      Pipeline.fromFiles({ ...files, "config.json": "{", "model.safetensors": unread.stream }),
    ).rejects.toThrow("config.json");
    expect(unread.state.cancelled).toBe(true);
    const unused = chunks(new Uint8Array(9));
    await (await Pipeline.fromFiles({ ...files, "README.md": unused.stream })).dispose();
    expect(unused.state.cancelled).toBe(true);
  });

  test("that are clones keep nobody waiting, whatever becomes of the load", async () => {
    const files = tinyFiles();
    const clone = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) })).clone();
    const bad = Pipeline.fromFiles({ ...files, "config.json": "{", "model.safetensors": clone() });
    await expect(bad).rejects.toThrow("config.json");
    const weights = new Response(files["model.safetensors"] as Uint8Array<ArrayBuffer>);
    expect(await Pipeline.plan({ ...files, "model.safetensors": weights.clone() })).toMatchObject({
      modelType: "llama",
    });
    await (await Pipeline.fromFiles({ ...files, "model.safetensors": weights, "README.md": clone() })).dispose();
  });

  test("are cancelled where another one of the same call is not to be had", async () => {
    const { "config.json": config } = tinyFiles();
    const model = chunks(new Uint8Array(9));
    const tokenizer = new Response("", { status: 404 });
    await expect(Pipeline.fromBytes(model.stream, tokenizer, config)).rejects.toThrow("tokenizer");
    expect(model.state.cancelled).toBe(true);
  });

  test("or as any other bytes, name a tokenizer by its content", async () => {
    const { "config.json": config, "model.safetensors": model, "vocab.json": vocabulary } = tinyFiles();
    const bytes = new TextEncoder().encode(vocabulary as string);
    const ways = [bytes, new DataView(bytes.buffer), new Blob([bytes]), new Response(bytes), new Response(bytes).body!];
    for (const tokenizer of [vocabulary, ...ways]) {
      const pipeline = await Pipeline.fromBytes(model, tokenizer, config);
      expect(pipeline.tokenizer?.kind).toBe("g2p");
      await pipeline.dispose();
    }
  });
});

describe("a conversation", () => {
  const messages = [{ role: "user", content: "a b c" }];

  test("becomes a prompt by the model's template", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    const chat = { jinja };
    const { promptIds, text } = await pipeline.generate(messages, { ...free, chat, return_dict_in_generate: true });
    expect(promptIds.map((id) => words[id])).toEqual(["<s>", "<|user|>", "a", "b", "c", "<|model|>"]);
    let streamed = "";
    for await (const piece of pipeline.stream(messages, { ...free, chat })) streamed += piece;
    expect(streamed).toBe(text);
    await pipeline.dispose();
  });

  test("goes on in its last message where that is asked for", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    const conversation = [...messages, { role: "model", content: "d e" }];
    const chat = { jinja, continue_final_message: true };
    const options = { ...free, chat, return_dict_in_generate: true } as const;
    const { promptIds } = await pipeline.generate(conversation, options);
    expect(promptIds.map((id) => words[id]).join(" ")).toBe("<s> <|user|> a b c <|model|> d e");
    const both = { ...options, chat: { ...chat, add_generation_prompt: true } };
    await expect(pipeline.generate(conversation, both)).rejects.toMatchObject({ code: "options" });
    await pipeline.dispose();
  });

  test("may have a template for tools in a file of its own, and tokens that the model names", async () => {
    const files = wordFiles();
    const settings = { ...JSON.parse(files["tokenizer_config.json"]), image_token: "<|user|>" };
    const pipeline = await Pipeline.fromFiles({
      ...files,
      "tokenizer_config.json": JSON.stringify({ ...settings, extra_special_tokens: { end_token: "</s>" } }),
      "chat_template.jinja": "{{ image_token }} a {{ end_token }}",
      "additional_chat_templates/tool_use.jinja": "b",
      "additional_chat_templates/rag.jinja": "c",
    });
    const promptOf = async (chat: object) => {
      const options = { ...free, chat: { jinja, ...chat }, return_dict_in_generate: true } as const;
      return (await pipeline.generate(messages, options)).promptIds.map((id) => words[id]).join(" ");
    };
    expect(await promptOf({})).toBe("<|user|> a </s>");
    expect(await promptOf({ tools: [{ name: "x" }] })).toBe("b");
    expect(await promptOf({ chat_template: "rag" })).toBe("c");
    await pipeline.dispose();
  });

  test("needs the module that renders templates, and a tokenizer that has one", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    await expect(pipeline.generate(messages, free)).rejects.toEqual(
      failing("missing-option", "generate: expected the option chat: { jinja } with a conversation, got none"),
    );
    await pipeline.dispose();
    const g2p = await Pipeline.fromFiles(tinyFiles());
    await expect(g2p.generate(messages, { ...free, chat: { jinja } })).rejects.toEqual(
      failing("no-chat", "generate: expected a tokenizer with chat templates, got g2p"),
    );
    await g2p.dispose();
  });
});

describe("callbacks", () => {
  test("are told of each token and of each piece of text, and the result is the same", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    const [ids, pieces]: [number[], string[]] = [[], []];
    const callbacks = { on_token: (id: number) => ids.push(id), on_text: (piece: string) => pieces.push(piece) };
    const plain = await pipeline.generate("a b", { ...free, return_dict_in_generate: true });
    const told = await pipeline.generate("a b", { ...free, ...callbacks, return_dict_in_generate: true });
    expect(told).toEqual(plain);
    expect(ids).toEqual(plain.ids);
    expect(pieces.join("")).toBe(plain.text);
    await pipeline.dispose();
  });

  test("that throw stop the generation, and leave the pipeline usable", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    const on_token = () => {
      throw new Error("enough");
    };
    await expect(pipeline.generate("a b", { ...free, on_token })).rejects.toThrow("enough");
    const later = async () => on_token();
    await expect(pipeline.generate("a b", { ...free, on_token: later })).rejects.toThrow("enough");
    await expect(pipeline.generate("a b", { ...free, on_text: later })).rejects.toThrow("enough");
    expect(await pipeline.generate("a b", free)).toEqual(expect.any(String));
    await pipeline.dispose();
  });

  test("must be functions, and tell of one text only", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    await expect(pipeline.generate("a", { on_text: 3 as never })).rejects.toEqual(
      failing("bad-option", "generate: expected on_text to be a function, got 3"),
    );
    const several = { ...free, do_sample: true, num_return_sequences: 2, on_text: () => {} };
    await expect(pipeline.generate("a", several)).rejects.toEqual(
      expect.objectContaining({ code: "conflicting-options" }),
    );
    await pipeline.dispose();
  });
});

describe("several prompts", () => {
  test("give what each gives alone, also with beams and with samples", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    const prompts = ["a", "b c d", "e f"];
    for (const options of [free, { ...free, num_beams: 3 }, { ...free, temperature: 0.9, seed: 3 }]) {
      const together = await pipeline.generateBatch(prompts, options);
      for (const [index, prompt] of prompts.entries()) {
        expect(together[index]).toBe(await pipeline.generate(prompt, options));
      }
    }
    await pipeline.dispose();
  });

  test("with several texts each are lists of lists; none gives none", async () => {
    const pipeline = await Pipeline.fromFiles(wordFiles());
    const options = { ...free, num_beams: 3, num_return_sequences: 2 };
    const together = (await pipeline.generateBatch(["a", "b"], options)) as unknown as string[][];
    expect(together.map((texts) => texts.length)).toEqual([2, 2]);
    expect(together[0]).toEqual(await pipeline.generate("a", options));
    expect(await pipeline.generateBatch([], free)).toEqual([]);
    await expect(pipeline.generateBatch("a" as never)).rejects.toEqual(
      failing("bad-prompts", 'generateBatch: expected an array of prompts, got "a"'),
    );
    await pipeline.dispose();
  });
});

test("stop strings end the text, which keeps what completes them", async () => {
  const pipeline = await Pipeline.fromFiles(wordFiles());
  const whole = await pipeline.generate("a b", { ...free, return_dict_in_generate: true });
  const third = words[whole.ids[2]];
  const stopped = await pipeline.generate("a b", { ...free, stop_strings: [third], return_dict_in_generate: true });
  const end = whole.ids.findIndex((id) => words[id].includes(third)) + 1;
  expect(stopped.ids).toEqual(whole.ids.slice(0, end));
  expect(stopped.finishReason).toBe("stop");
  await pipeline.dispose();
});

test("log probabilities come with ids, and are those of the logits", async () => {
  const pipeline = await Pipeline.fromFiles(wordFiles());
  const options = { ...free, logprobs: 3, return_dict_in_generate: true } as const;
  const { ids, promptIds, logprobs } = await pipeline.generate("a b", options);
  expect(logprobs).toHaveLength(ids.length);
  const logits = (await pipeline.logits([...promptIds])).slice(-19);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  expect(logprobs?.[0].logprob).toBeCloseTo(logits[ids[0]] - total, 5);
  await pipeline.dispose();
});

describe.runIf(shared)("a model with an encoder", () => {
  test("answers: streamed, in a batch and alone the same ids", async () => {
    const pipeline = await Pipeline.fromDirectory(`${shared}references/t5`, { onWarning: () => {} });
    const options = { max_new_tokens: 7, eos_token_id: null, return_dict_in_generate: true } as const;
    const prompts = [
      [9, 8, 7],
      [5, 6, 7, 8, 9, 10],
    ];
    const together = await pipeline.generateBatch(prompts, options);
    for (const [index, prompt] of prompts.entries()) {
      const alone = await pipeline.generate(prompt, options);
      expect(together[index]).toEqual(alone);
      expect(alone.promptIds).toEqual([0]);
      expect(alone.ids).toHaveLength(7);
    }
    const [best] = await pipeline.generate(prompts[0], { ...options, num_beams: 3, num_return_sequences: 1 });
    expect(best.score).toBeLessThan(0);
    await pipeline.dispose();
  });

  // Again where it fails: a stall of the machine is not in every attempt, one of the code is.
  test("stops inside the encoder of a long text within 100 ms", { retry: 4 }, async () => {
    const pipeline = await Pipeline.fromDirectory(`${shared}references/t5`, { onWarning: () => {} });
    const controller = new AbortController();
    const long = Array.from({ length: 6000 }, (_, index) => 3 + (index % 200));
    const begin = performance.now();
    let aborted = 0;
    setTimeout(() => {
      aborted = performance.now();
      controller.abort();
    }, 30);
    await expect(pipeline.generate(long, { signal: controller.signal, return_dict_in_generate: true })).rejects.toThrow(
      /abort/i,
    );
    expect(performance.now() - aborted, `of ${performance.now() - begin} ms`).toBeLessThan(100);
    await pipeline.dispose();
  });
});
