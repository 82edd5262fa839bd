// One model on one engine: every contender is opened in a process of its own, checked, and given turns, round after round.
import { median } from "../report.mjs";
import {
  absence,
  contenders,
  isMeant,
  leastCosine,
  reference,
  weightBits,
  weightFiles,
  weightsFolder,
} from "./contenders.mjs";
import { bytesOf } from "./prepare.mjs";

const LEAST_ROUNDS = 3;
/** A contender whose turn is slower than this has two rounds, so that others have more. */
const SLOW_MS = 8000;
/** Models that open within this time are opened more than once. */
const QUICK_LOAD_MS = 1000;

/** What takes longer is given up. */
const PATIENCE_MS = 120_000;

/** @returns `{ opened, rows, limits }` as report.json has them */
export async function measureModel(engine, model, { seconds, rounds, loads, takesPart, log }) {
  const opened = [];
  const missing = [];
  const limits = await openLimits(engine);
  for (const contender of contenders.filter((contender) => isMeant(contender, model) && takesPart(contender))) {
    const files = weightFiles(contender, model);
    const weightBytes = bytesOf(weightsFolder(contender, model), files);
    const entry = { contender, weightBytes };
    const elsewhere = absence(contender, model, engine.name);
    if (elsewhere) Object.assign(entry, { reason: elsewhere, isExpected: true });
    else if (weightBytes === undefined) entry.reason = `no ${files[0]} was made`;
    else Object.assign(entry, await openRepeatedly(engine, contender, model, loads));
    (entry.process ? opened : missing).push(entry);
    if (entry.reason && !entry.isExpected) log(`  ${contender.id} is missing: ${entry.reason}`);
  }
  const rows = [];
  const rates = [];
  for (const work of model.works) {
    await each(opened, missing, log, (entry) => compare(entry, work, opened));
    await each(opened, missing, log, ({ process }) => patiently(process.warmUp(work)));
    const drop = (entry, error) => leave(entry, error, opened, missing, log);
    const gauge = async () => rates.push(await limits.limits());
    const times = await takeTurns(opened, work, { seconds, rounds, gauge, drop });
    rows.push(...rowsOf(opened, work, times, engine, model));
  }
  for (const entry of opened) {
    // Chromium begins its count anew now and then.
    entry.peakBytes = Math.max(entry.loadPeakBytes, await entry.process.peakBytes());
    await entry.process.close();
  }
  await limits.close();
  const about = { engine: engine.name, model: model.name };
  return {
    rows,
    limits: { ...about, ...summary(rates, (values) => -medianOfLesserHalf(values.map((rate) => -rate))) },
    opened: [...opened, ...missing].map(({ contender, process, sample, ...figures }) => ({
      ...about,
      contender: contender.id,
      ...figures,
    })),
  };
}

async function openLimits(engine) {
  const process = await engine.start();
  await process.open({ module: "limits", folder: "limits" });
  return process;
}

/** A contender that never answers is missing, too. */
async function patiently(answer) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The last of the processes stays; loading time and memory are medians. */
async function openRepeatedly(engine, contender, model, count) {
  const { module, precision, options } = contender;
  const job = { module, precision, ...options, config: model.config, folder: weightsFolder(contender, model) };
  const loads = [];
  for (;;) {
    let process;
    try {
      process = await engine.start();
      const { loadMs } = await patiently(process.open(job));
      loads.push({ loadMs, loadPeakBytes: await process.peakBytes() });
    } catch (error) {
      await process?.close();
      return { reason: error.message };
    }
    if (loads.length === count || loads[0].loadMs > QUICK_LOAD_MS) return { ...summary(loads, median), process };
    await process.close();
  }
}

/** Calls for one contender after another; where that fails, it is missing from then on. */
async function each(opened, missing, log, call) {
  for (const entry of [...opened]) await call(entry).catch((error) => leave(entry, error, opened, missing, log));
}

async function leave(entry, error, opened, missing, log) {
  entry.reason = error.message.split("\n")[0];
  log(`  ${entry.contender.id} is missing: ${entry.reason}`);
  opened.splice(opened.indexOf(entry), 1);
  missing.push(entry);
  await entry.process.close();
}

/** That a contender computes what the reference computes. */
async function compare(entry, work, opened) {
  entry.sample = await patiently(entry.process.results(work));
  const expected = opened.find(({ contender }) => contender.id === reference)?.sample;
  entry.cosine = expected && Math.min(...entry.sample.map((values, index) => cosine(values, expected[index])));
  const least = leastCosine[entry.contender.precision];
  if (expected && !(entry.cosine >= least)) throw new Error(`expected a cosine of ${least}, got ${entry.cosine}`);
}

/** Of values less their mean: logits of some runtimes are known but for a constant. */
function cosine(a, b) {
  const centred = (values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (x, y) => x.reduce((sum, value, index) => sum + value * y[index], 0);
  return a.length === b.length ? dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)) : Number.NaN;
}

/** Milliseconds of each figure in each round, by contender; rounds go forth and back. `gauge` is called in each. */
async function takeTurns(opened, work, { seconds, rounds, gauge, drop }) {
  const times = new Map(opened.map((entry) => [entry, []]));
  let end = Number.POSITIVE_INFINITY;
  for (let round = 0; round < LEAST_ROUNDS || (round < rounds && performance.now() < end); round++) {
    if (round === 2) end = performance.now() + seconds * 1000;
    await gauge();
    for (const entry of round % 2 ? [...opened].reverse() : [...opened]) {
      if (round >= 2 && entry.turnMs > SLOW_MS) continue;
      const begin = performance.now();
      try {
        times.get(entry).push(await patiently(entry.process.turn(work)));
        entry.turnMs = performance.now() - begin;
      } catch (error) {
        await drop(entry, error);
      }
    }
  }
  return times;
}

function rowsOf(opened, work, times, engine, model) {
  return work.figures.flatMap(({ name, multiplyAdds, tokens, weights }, index) =>
    opened.map((entry) => {
      const { contender, cosine } = entry;
      const all = times.get(entry).map((turn) => turn[index]);
      const ms = medianOfLesserHalf(all);
      return {
        ...{ engine: engine.name, model: model.name, figure: name, contender: contender.id, ms, cosine, all },
        gigaflops: (2 * multiplyAdds) / ms / 1e6,
        tokensPerSecond: tokens && (1000 * tokens) / ms,
        // Each token of a text that is written reads every weight once.
        weightGigabytesPerSecond: weights && (weights * weightBits(entry, model) * tokens) / 8 / ms / 1e6,
      };
    }),
  );
}

/** Others use the machine too: rounds in which they were in the way say nothing about a contender. */
function medianOfLesserHalf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return median(sorted.slice(0, Math.ceil(values.length / 2)));
}

/** One number for each key of records that are alike. */
const summary = (records, one) =>
  Object.fromEntries(Object.keys(records[0]).map((key) => [key, one(records.map((record) => record[key]))]));
