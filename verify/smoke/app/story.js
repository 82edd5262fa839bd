// What every place runs: open the model, stream the stories, once with the fastest kernels and once with the baseline.

/**
 * @param Pipeline the class under test
 * @param open gives a fresh record of file name -> file for each load, since streams are read once
 * @param stories `[{ prompt, max_new_tokens }]`
 * @param options pipeline options
 * @param onPiece told of each piece with the story's index, as it arrives
 */
export async function tellAll(Pipeline, open, stories, options = {}, onPiece = () => {}) {
  const runs = [];
  for (const deterministic of [false, true]) {
    const pipeline = await Pipeline.fromFiles(await open(), { ...options, deterministic });
    const { build, threads } = pipeline;
    const texts = [];
    let pieces = 0;
    for (const [index, { prompt, max_new_tokens }] of stories.entries()) {
      let text = "";
      for await (const piece of pipeline.stream(prompt, { max_new_tokens })) {
        text += piece;
        pieces += 1;
        await onPiece(piece, index);
      }
      texts.push(text);
    }
    await pipeline.dispose();
    runs.push({ build, threads, texts, pieces });
  }
  return runs;
}

/** An error as plain data, so that it can cross threads and processes. */
export function describeError(error) {
  return { error: { name: error?.name, code: error?.code, message: String(error?.message ?? error) } };
}
