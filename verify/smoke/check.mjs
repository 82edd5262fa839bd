// What a place told, against what it should have told.

/** Throws with the first difference; gives a few words for the test's line. */
export function checkRuns(runs, stories, wanted = 1) {
  if (runs.error) throw new Error(`${runs.error.name} ${runs.error.code}: ${runs.error.message}`);
  const threads = runs.map((run) => run.threads);
  if (threads.some((count) => count !== wanted)) throw new Error(`expected ${wanted} threads, got ${threads}`);
  for (const { build, texts } of runs) {
    stories.forEach(({ text, prompt }, index) => {
      const told = wholeStory(prompt, texts[index]);
      if (told !== text)
        throw new Error(`${build} kernels, story ${JSON.stringify(prompt)}: ${difference(text, told)}`);
    });
  }
  const builds = runs.map(({ build }) => build);
  if (builds[1] !== "simd") throw new Error(`deterministic: expected the simd build, got ${builds[1]}`);
  return `${stories.length} stories, ${[...new Set(builds)].join(" and ")} kernels`;
}

/** Prompt and new text; the first word of an empty prompt's story has the space that SentencePiece puts before words. */
export function wholeStory(prompt, text) {
  return prompt === "" ? text.trimStart() : prompt + text;
}

function difference(expected, got) {
  let at = 0;
  while (at < expected.length && expected[at] === got[at]) at += 1;
  const around = (text) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 20));
  return `expected ${around(expected)}, got ${around(got)} at character ${at}`;
}

/** Throws unless pieces came one by one while the text was still being made. */
export function checkStreaming(arrivals, finished, pieces) {
  if (arrivals.length !== pieces) throw new Error(`expected ${pieces} pieces, one each, got ${arrivals.length}`);
  const lead = finished - arrivals[0];
  const spread = arrivals[arrivals.length - 1] - arrivals[0];
  if (lead > 0 && spread > lead / 2) return `${pieces} pieces over ${spread.toFixed(0)} ms`;
  throw new Error(`expected pieces spread over the run, got them within ${spread.toFixed(0)} of ${lead.toFixed(0)} ms`);
}

/** Throws unless the place failed with this code, in words that help. */
export function checkError(result, code, words) {
  if (!result.error) throw new Error(`expected the error ${code}, got a story`);
  const { error } = result;
  if (error.code === code && words.test(error.message)) return `${error.name} ${error.code}`;
  throw new Error(`expected the error ${code} matching ${words}, got ${error.name} ${error.code}: ${error.message}`);
}
