// A contender with a model, where it runs: opened once, then asked for one turn of work after another.

/** A turn of short work takes at least so long. */
const TURN_MS = 60;
/** So long it works before the first turn counts: by then the engine's optimizing compiler has taken over. */
const WARM_UP_MS = 700;
/** Values of a result that are compared. */
const SAMPLES = 5000;
/** What is compared of a text that is continued: logits after so many tokens, and after some more, one by one. */
const COMPARED = { prompt: 24, steps: 4 };

/** Ids that differ from text to text, and are the same in each run. */
const idsOf = (length, vocabulary, text = 0) =>
  Array.from({ length }, (_, index) => ((index + 1) * 7919 + text * 104729) % vocabulary);
const rowsOf = ({ texts, length }, vocabulary) =>
  Array.from({ length: texts }, (_, text) => idsOf(length, vocabulary, text));

/** Load time counts from the import of the contender's code until it can compute. */
export async function openSession(job, host) {
  const begin = performance.now();
  const { open } = await import(`./contenders/${job.module}.mjs`);
  const contender = await open(job, host);
  const loadMs = performance.now() - begin;
  const vocabulary = job.config?.vocab_size;
  const turn = (work) =>
    work.kind === "encode"
      ? readTurn(contender, rowsOf(work, vocabulary))
      : writeTurn(contender, idsOf(work.prompt, vocabulary), idsOf(work.steps, vocabulary, 1));
  return {
    loadMs,
    limits: contender.limits,
    /** Milliseconds of each figure. */
    turn,
    /** A part of each result, to compare with others'. */
    results: (work) => results(contender, work, vocabulary),
    async warmUp(work) {
      const short = work.kind === "encode" ? work : { ...work, prompt: 32, steps: 4 };
      for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) await turn(short);
    },
  };
}

/** The mean of as many calls as fill a turn; the first one of several fetches the weights again and does not count. */
async function readTurn({ encode }, rows) {
  let begin = performance.now();
  await encode(rows);
  const first = performance.now() - begin;
  if (first > TURN_MS) return [first];
  const count = Math.ceil(TURN_MS / first);
  begin = performance.now();
  for (let call = 0; call < count; call++) await encode(rows);
  return [(performance.now() - begin) / count];
}

/** A prompt, or a text that is answered; then one token after another. */
async function writeTurn(contender, prompt, steps) {
  if (contender.write) return contender.write(prompt, steps.length);
  const begin = performance.now();
  const state = await contender.start(prompt);
  const middle = performance.now();
  for (const id of steps) await contender.next(state, id);
  const end = performance.now();
  contender.end(state);
  return [middle - begin, end - middle];
}

async function results(contender, work, vocabulary) {
  if (work.kind === "encode") return [sample(await contender.encode(rowsOf(work, vocabulary)))];
  const prompt = idsOf(COMPARED.prompt, vocabulary);
  if (contender.logits) return [sample(await contender.logits(prompt))];
  const state = await contender.start(prompt);
  const all = [state.logits ?? (await contender.encode([prompt]))].map(sample);
  let logits;
  for (const id of idsOf(COMPARED.steps, vocabulary, 1)) logits = await contender.next(state, id);
  contender.end(state);
  return [...all, sample(logits)];
}

function sample(values) {
  const step = Math.max(1, Math.floor(values.length / SAMPLES));
  return Array.from({ length: Math.floor(values.length / step) }, (_, index) => values[index * step]);
}
