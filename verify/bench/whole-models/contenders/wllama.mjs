// wllama: llama.cpp as WASM, in a page. Times are those that its server reports for each request.

const letters = "abcdefghijklmnopqrstuvwxyz";
/** Its prompts are text: what convert.py calls token i. */
const word = (id) => Array.from({ length: 4 }, (_, n) => letters[Math.floor(id / 26 ** n) % 26]).join("");
const textOf = (ids) => ids.map((id) => ` ${word(id)}`).join("");

export async function open({ threads, precision, config }, host) {
  const { Wllama } = await import("@wllama/wllama");
  const quiet = { debug() {}, log() {}, warn() {}, error() {} };
  const wllama = new Wllama(host.wasmPaths.wllama, { logger: quiet, suppressNativeLog: true });
  const blob = await (await fetch(host.place(`${precision}.gguf`))).blob();
  await wllama.loadModel([blob], { n_ctx: 512, n_threads: threads, n_gpu_layers: 0, n_parallel: 1, warmup: true });
  const complete = (ids, count, options) =>
    wllama.createCompletion({
      ...{ prompt: textOf(ids), max_tokens: count, n_predict: count, temperature: 0, top_k: 1, cache_prompt: false },
      ...options,
    });
  return {
    /** The first new token comes with the prompt's logits, the others take a step each. */
    async write(prompt, steps) {
      const { timings } = await complete(prompt, steps + 1, { ignore_eos: true });
      const got = [timings.prompt_n, timings.predicted_n];
      if (`${got}` !== `${[prompt.length, steps + 1]}`)
        throw new Error(`wllama: expected ${prompt.length} and ${steps + 1} tokens, got ${got.join(" and ")}`);
      return [timings.prompt_ms, timings.predicted_ms];
    },
    /** Logits after the prompt, but for a constant. */
    async logits(prompt) {
      const count = config.vocab_size;
      const { choices } = await complete(prompt, 1, { n_probs: count, logprobs: count });
      const values = new Float32Array(count);
      for (const { id, logprob } of choices[0].logprobs.content[0].top_logprobs) values[id] = logprob;
      return values;
    },
  };
}
