// Replays what the reference libraries gave: `node verify/tokenizers.mjs`. Exits with 1 at a difference without a reason.
//
//   --only NAME          only vectors whose name contains it
//   --show N             prints the first N differences of each
//   --differential FILE  replays the lines that verify/python/tokenizer_differential.py wrote, instead of the fixtures
//   --without A,B        leaves out its configurations with these parts, such as pre_tokenizer:Split; `truncation`: such cases
//   --module FILE        another build of the package
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { ensureBuilt, root } from "./built.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    show: { type: "string", default: "0" },
    differential: { type: "string" },
    module: { type: "string" },
    without: { type: "string", default: "" },
  },
});
if (!flags.module) ensureBuilt();
const { Tokenizer, TokenizerError } = await import(
  flags.module ? pathToFileURL(resolve(flags.module)) : "@kiloformer/tokenizers"
);
const fixtures = join(root, "verify/fixtures/tokenizers");
const shared = join(root, "../shared/tokenizers");
/** What is wrong with the vectors themselves. */
const problems = [];

/**
 * Where this package differs, and why. `vectors` and `check` are patterns of names, `text` of the input, `note` of its
 * options and of what was compared; all given ones have to match.
 */
const knownDifferences = [
  {
    vectors: /hf-tokenizers-0\.23\.2-pairs/,
    check: /^(ids|offsets|masks|words)$/,
    note: /"truncation":/,
    reason:
      "tokenizers 0.23.2 stops tokenizing a text after max_length tokens where it truncates, and so loses windows and counts words from there; 0.23.3 no longer does, and verify/fixtures/tokenizers/lengths has its results",
  },
  {
    vectors: /^lengths\//,
    check: /^ids$/,
    note: /window \d+ windows$/,
    reason:
      "where both texts of a pair were cut, the library's windows carry windows of their own, which repeat others",
  },
  {
    vectors: /^lengths\//,
    check: /^ids$/,
    note: /"max_length":[0-3],/,
    reason:
      "max_length below the number of special tokens: the library's subtraction wraps around and nothing is cut; here it is refused",
  },
  {
    vectors: /post-processors\/sequence-two-templates/,
    reason:
      "two templates in one Sequence: the library applies each to the other's tokens, and panics for pairs; no published file has them",
  },
];

/** What can be compared, in the order of the table. */
const columns = ["ids", "offsets", "tokens", "masks", "words", "decoded", "streaming", "refused"];

// ------------------------------------------------------------------------------------------------------------- vectors

function readMaybeZipped(path) {
  const data = readFileSync(path);
  return path.endsWith(".gz") ? gunzipSync(data) : data;
}

/** The files of a folder, as a model is published with. */
function readFiles(folder) {
  const names = readdirSync(folder).filter((name) => !name.startsWith("vectors.json"));
  return Object.fromEntries(names.map((name) => [name.replace(/\.gz$/, ""), readMaybeZipped(join(folder, name))]));
}

function* fixtureVectors() {
  const { tokenizers } = JSON.parse(readFileSync(join(fixtures, "manifest.json"), "utf8"));
  const there = readdirSync(fixtures, { recursive: true }).filter((path) => basename(path) === "vectors.json.gz");
  const recorded = tokenizers.map(({ name }) => name);
  const unknown = there.map((path) => dirname(path).replaceAll(sep, "/")).filter((name) => !recorded.includes(name));
  if (unknown.length > 0) problems.push(`manifest.json: expected ${unknown.join(", ")}, got none`);
  for (const { name, cases, decodes } of tokenizers) {
    if (!name.includes(flags.only)) continue;
    const folder = join(fixtures, name);
    const vectors = JSON.parse(readMaybeZipped(join(folder, "vectors.json.gz")).toString());
    const got = [vectors.cases.length, vectors.decodes?.length ?? 0];
    if (got[0] !== cases || got[1] !== decodes)
      problems.push(`${name}: expected ${cases} cases and ${decodes} decodes, got ${got[0]} and ${got[1]}`);
    yield { name, files: readFiles(folder), vectors };
  }
}

/** A published file under the name that it is published with. */
function sharedFiles(asset) {
  const path = join(shared, asset);
  const name = basename(asset).replace(/^.*tokenizer(_gemma_cropped)?\.json$/, "tokenizer.json");
  return existsSync(path) ? { [name]: readFileSync(path) } : undefined;
}

function* sharedVectors() {
  const folder = join(shared, "vectors");
  if (!existsSync(folder)) {
    console.log("skipped: vectors of published tokenizers, as ../shared is not beside the repository\n");
    return;
  }
  for (const group of readdirSync(folder).filter((name) => /^(hf-|sentencepiece|tiktoken)/.test(name))) {
    for (const file of readdirSync(join(folder, group))) {
      const name = `shared/${group}/${basename(file, ".json")}`;
      if (!name.includes(flags.only)) continue;
      const { tokenizer, model, cases } = JSON.parse(readFileSync(join(folder, group, file), "utf8"));
      const files = sharedFiles(tokenizer ?? model);
      const vectors = group === "hf-decode-stream" ? { cases: [], decodes: cases } : { cases };
      // The texts of pairs were given to the tokenizer as its file is, with what is baked into it.
      yield { name, files, vectors, usesBaked: group.endsWith("pairs") };
    }
  }
  const published = readFileSync(join(folder, "published.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const asset of new Set(published.map((line) => line.asset))) {
    const name = `shared/published/${asset}`;
    if (name.includes(flags.only))
      yield { name, files: sharedFiles(asset), vectors: { cases: published.filter((line) => line.asset === asset) } };
  }
  const name = "shared/squad-questions";
  if (!name.includes(flags.only)) return;
  const questions = JSON.parse(readFileSync(join(folder, "squad-questions-bert-base-uncased.json"), "utf8"));
  const cases = questions.map(({ original, ids }) => ({ text: original, ids, special: false }));
  yield { name, files: sharedFiles("bert-base-uncased/vocab.txt"), vectors: { cases } };
}

function* differentialVectors() {
  const without = flags.without.split(",");
  const lines = readFileSync(flags.differential, "utf8").trim().split("\n");
  for (const line of lines) {
    const { name, config, tags, ...vectors } = JSON.parse(line);
    if (!name.includes(flags.only) || tags.some((tag) => without.includes(tag))) continue;
    if (without.includes("truncation")) vectors.cases = vectors.cases.filter(({ truncation }) => !truncation);
    yield { name, files: { "tokenizer.json": JSON.stringify(config) }, vectors, tags };
  }
}

// ------------------------------------------------------------------------------------------------------------- opening

/** The tokenizer of some vectors, and what its file asks for that we take as options. */
function open({ name, files, vectors, usesBaked }) {
  const config = { ...JSON.parse(String(files["tokenizer_config.json"] ?? "{}")) };
  const options = {};
  if (name.includes("tiktoken")) {
    const { pattern, special_tokens: special = cl100kSpecial } = vectors;
    options.pattern = pattern;
    const added = Object.entries(special).map(([content, id]) => [id, { content, special: true, normalized: false }]);
    config.added_tokens_decoder = Object.fromEntries(added);
  }
  // The pad token of vectors that were padded with one.
  const padded = vectors.cases.find(({ padding }) => padding);
  if (padded) config.pad_token ??= padded.padding.pad_token;
  const given = Object.keys(config).length > 0 ? { ...files, "tokenizer_config.json": JSON.stringify(config) } : files;
  const baked = usesBaked ? bakedSettings(JSON.parse(String(files["tokenizer.json"]))) : {};
  return { tokenizer: Tokenizer.from(given, options), baked };
}

const cl100kSpecial = { "<|endoftext|>": 100257 };

function bakedSettings({ truncation, padding }) {
  const strategies = { LongestFirst: "longest_first", OnlyFirst: "only_first", OnlySecond: "only_second" };
  return {
    truncation: truncation && {
      ...truncation,
      strategy: strategies[truncation.strategy],
      direction: truncation.direction.toLowerCase(),
    },
    padding: padding && {
      ...padding,
      length: padding.strategy.Fixed ?? null,
      direction: padding.direction.toLowerCase(),
    },
  };
}

/** The options that ask for the same, and whether the padding of the expected has to be left out of the comparison. */
function optionsOf({ truncation, padding, special, pair, b, text_pair = pair ?? b }, baked, tokenizer, plain) {
  truncation ??= baked.truncation;
  padding ??= baked.padding;
  const options = { offsets: "code_points", add_special_tokens: special ?? !plain, text_pair };
  if (truncation) {
    const { max_length, stride, strategy, direction } = truncation;
    Object.assign(options, {
      max_length,
      stride,
      truncation: strategy,
      truncation_side: direction,
      return_overflowing_tokens: true,
    });
  }
  const clashes = padding?.length && truncation && padding.length !== truncation.max_length;
  const isUnpadded = padding && (clashes || tokenizer.padId === undefined);
  if (padding && !isUnpadded) {
    Object.assign(options, { padding: padding.length ? "max_length" : "longest", padding_side: padding.direction });
    if (padding.length) Object.assign(options, { max_length: padding.length, truncation: options.truncation ?? false });
    if (padding.pad_to_multiple_of) options.pad_to_multiple_of = padding.pad_to_multiple_of;
  }
  return { options, isUnpadded, ignoresPadId: padding && tokenizer.padId !== padding.pad_id };
}

// ----------------------------------------------------------------------------------------------------------- comparing

const listOf = (mask, length, otherwise) =>
  mask === undefined ? new Array(length).fill(otherwise) : Array.from(mask, Number);

/** Vectors of every kind in one form. */
function expectedOf(item, tokenizer) {
  const { ids } = item;
  const { length } = ids;
  return {
    ids,
    offsets: item.offsets?.flat(),
    // Our own vectors leave out tokens that are the vocabulary's; others have none.
    tokens: item.pieces ?? item.tokens ?? (item.words && ids.map((id) => tokenizer.idToToken(id))),
    // Vectors of one text alone do not all say.
    types: Array.isArray(item.type_ids)
      ? item.type_ids
      : item.offsets && !item.pieces
        ? new Array(length).fill(0)
        : undefined,
    special: item.stm === undefined && !item.words ? undefined : listOf(item.stm, length, 0),
    attention: item.words || item.mask ? listOf(item.mask, length, 1) : undefined,
    words: item.words ?? item.word_ids,
    overflowing: (item.overflowing ?? []).map((window) => expectedOf(window, tokenizer)),
  };
}

function actualOf(encoding) {
  return {
    ids: encoding.ids,
    offsets: encoding.offsets.flat(),
    tokens: encoding.tokens,
    types: encoding.type_ids,
    special: encoding.special_tokens_mask,
    attention: encoding.attention_mask,
    words: encoding.word_ids,
    overflowing: encoding.overflowing.map(actualOf),
  };
}

/** Leaves padding out, or only what fills it. */
function withoutPadding(encoding, isUnpadded) {
  const { attention } = encoding;
  if (!attention) return encoding;
  const keep = (list, width = 1) => list?.filter((_, index) => attention[Math.floor(index / width)]);
  const blank = (list) => list?.map((value, index) => (attention[index] ? value : "padding"));
  const overflowing = encoding.overflowing.map((window) => withoutPadding(window, isUnpadded));
  if (!isUnpadded)
    return {
      ...encoding,
      ids: blank(encoding.ids),
      tokens: blank(encoding.tokens),
      types: blank(encoding.types),
      overflowing,
    };
  const { ids, offsets, tokens, types, special, words } = encoding;
  return {
    ids: keep(ids),
    offsets: keep(offsets, 2),
    tokens: keep(tokens),
    types: keep(types),
    special: keep(special),
    words: keep(words),
    attention: keep(attention),
    overflowing,
  };
}

const show = (value) => {
  const text = JSON.stringify(value);
  return text === undefined || text.length < 700 ? text : `${text.slice(0, 700)}…`;
};

/** Collects what is the same and what is not. */
class Report {
  constructor(name) {
    this.name = name;
    this.counts = Object.fromEntries(columns.map((column) => [column, { ok: 0, known: 0, all: 0 }]));
    this.cases = 0;
    this.differences = [];
  }

  check(column, text, expected, actual, note = "") {
    if (expected === undefined) return true;
    const count = this.counts[column];
    count.all++;
    const isSame = JSON.stringify(expected) === JSON.stringify(actual);
    if (isSame) count.ok++;
    else {
      const known = knownDifferences.find(
        (known) =>
          known.vectors.test(this.name) &&
          (known.check?.test(column) ?? true) &&
          (known.text?.test(text) ?? true) &&
          (known.note?.test(note) ?? true),
      );
      if (known) {
        count.known++;
        known.count = (known.count ?? 0) + 1;
      } else this.differences.push({ column, text, expected, actual, note });
    }
    return isSame;
  }

  encoding(text, expected, actual, note) {
    const { ids, offsets, tokens, words, types, special, attention } = expected;
    this.check("ids", text, ids, actual.ids, note);
    this.check("offsets", text, offsets, actual.offsets, note);
    this.check("tokens", text, tokens, actual.tokens, note);
    this.check("words", text, words, actual.words, note);
    const masks = {
      types: types && actual.types,
      special: special && actual.special,
      attention: attention && actual.attention,
    };
    this.check("masks", text, { types, special, attention }, masks, note);
    this.check("ids", text, expected.overflowing.length || undefined, actual.overflowing.length, `${note} windows`);
    if (expected.overflowing.length !== actual.overflowing.length) return;
    for (const [index, window] of expected.overflowing.entries())
      this.encoding(text, window, actual.overflowing[index], `${note} window ${index + 1}`);
  }
}

/** The value, or the error that was thrown; an error of another class is one of ours to mend. */
function attempt(action) {
  try {
    return { value: action() };
  } catch (error) {
    if (!(error instanceof TokenizerError)) return { error, isCrash: true };
    return { error };
  }
}

function replayCase(report, { tokenizer, baked }, item) {
  report.cases++;
  const text = item.text ?? item.a ?? item.batch;
  const where = JSON.stringify(item.pair === undefined && item.b === undefined ? text : [text, item.pair ?? item.b]);
  const { options, isUnpadded, ignoresPadId } = optionsOf(item, baked, tokenizer, isPlain(report.name));
  if (report.name.includes("tiktoken")) options.split_special_tokens = true;
  const note = show({ ...options, offsets: undefined, text_pair: undefined });
  const { value, error, isCrash } = attempt(() =>
    item.batch ? tokenizer.encodeBatch(text, options) : [tokenizer.encode(text, options)],
  );
  if (item.error) {
    // A panic of the library is no behaviour to have: an error or a result will do.
    if (isCrash) report.check("refused", where, item.error, String(error), note);
    else if (!item.error.startsWith("PanicException"))
      report.check("refused", where, true, error !== undefined, `${note} ${item.error}`);
    return;
  }
  if (error) {
    report.check("ids", where, item.ids ?? item.encodings, String(isCrash ? error.stack : error), note);
    return;
  }
  if (item.hash) {
    const { ids, offsets, word_ids } = value[0];
    report.check(
      "ids",
      where,
      item.hash,
      createHash("sha256").update([ids, offsets.flat(), word_ids].join("|")).digest("hex").slice(0, 16),
    );
    return;
  }
  for (const [index, encoding] of (item.encodings ?? [item]).entries()) {
    let [expected, actual] = [expectedOf(encoding, tokenizer), actualOf(value[index])];
    if (isUnpadded) expected = withoutPadding(expected, true);
    else if (ignoresPadId) [expected, actual] = [expected, actual].map((side) => withoutPadding(side, false));
    report.encoding(where, expected, actual, note);
  }
  if (item.ids_s)
    report.check(
      "ids",
      where,
      item.ids_s,
      tokenizer.encode(text, { add_special_tokens: false, split_special_tokens: false }).ids,
      "specials",
    );
  replayDecode(report, tokenizer, item, where);
}

function replayDecode(
  report,
  tokenizer,
  { ids, dec, decode = dec, dec_s, chunks, dec_error },
  where = JSON.stringify(ids),
) {
  if (decode === undefined || dec_error) return;
  const run = (action) => {
    const { value, error, isCrash } = attempt(action);
    return error ? String(isCrash ? error.stack : error) : value;
  };
  report.check(
    "decoded",
    where,
    decode,
    run(() => tokenizer.decode(ids)),
    show(ids),
  );
  if (dec !== undefined && !isPlain(report.name)) {
    const all = run(() => tokenizer.decode(ids, { skip_special_tokens: false }));
    report.check("decoded", where, dec_s ?? dec, all, `${show(ids)} with special tokens`);
  }
  const ours = run(() => {
    const stream = tokenizer.decodeStream({ skip_special_tokens: true });
    return [...ids.map((id) => stream.push(id)), stream.end()];
  });
  if (!Array.isArray(ours)) {
    report.check("streaming", where, decode, ours, show(ids));
    return;
  }
  if (chunks === null) return;
  // The reference's chunks, one by one; it has no end, and where they do not make up its own text, that text will do.
  const parts = chunks?.map((chunk) => chunk ?? "");
  const isExact = parts?.join("") === decode;
  const text = ours.join("");
  if (parts && JSON.stringify(parts) === JSON.stringify(ours.slice(0, -1))) report.check("streaming", where, "", "");
  else if (isExact && text === decode)
    report.check("streaming", where, parts, ours.slice(0, -1), `${show(ids)} chunks`);
  else report.check("streaming", where, decode, text, `${show(ids)} all parts, chunks ${show(parts)}`);
}

/** Whether vectors come from a library without special tokens around a text. */
const isPlain = (name) => /sentencepiece|tiktoken/.test(name);

function replay(entry) {
  const { name, files, vectors } = entry;
  if (vectors.cases.length + (vectors.decodes?.length ?? 0) === 0) problems.push(`${name}: expected cases, got none`);
  if (!files) {
    console.log(`skipped: ${name}, as its tokenizer's file is absent`);
    return undefined;
  }
  const report = new Report(name);
  const { value, error } = attempt(() => open(entry));
  if (error) {
    report.cases = vectors.cases.length;
    report.check("refused", "", "a tokenizer", String(error.stack));
    return report;
  }
  for (const item of vectors.cases) replayCase(report, value, item);
  for (const item of vectors.baked ?? []) {
    replayCase(report, { ...value, baked: bakedSettings(JSON.parse(String(files["tokenizer.json"]))) }, item);
  }
  for (const item of vectors.decodes ?? []) {
    report.cases++;
    replayDecode(report, value.tokenizer, item);
  }
  return report;
}

// ------------------------------------------------------------------------------------------------------------- telling

function printDifferences(report) {
  for (const { column, text, expected, actual, note } of report.differences.slice(0, Number(flags.show))) {
    console.log(
      `${report.name}: ${column} of ${show(text)} ${note}\n  expected ${show(expected)}\n  got      ${show(actual)}`,
    );
  }
}

function printTable(reports) {
  console.log(`| vectors | cases | ${columns.join(" | ")} |\n| --- | --- |${" --- |".repeat(columns.length)}`);
  for (const { name, cases, counts } of reports) {
    const cells = columns.map((column) => {
      const { ok, known, all } = counts[column];
      if (all === 0) return "";
      return ok + known === all ? `${all}${known ? ` (${known} known)` : ""}` : `**${ok + known}/${all}**`;
    });
    console.log(`| ${name} | ${cases} | ${cells.join(" | ")} |`);
  }
}

/** Which parts the differing configurations have in common. */
function printTags(reports, tags) {
  const counts = new Map();
  for (const report of reports) {
    for (const tag of new Set(tags.get(report.name))) {
      const count = counts.get(tag) ?? [0, 0];
      counts.set(tag, [count[0] + (report.differences.length > 0 ? 1 : 0), count[1] + 1]);
    }
  }
  const shares = [...counts].filter(([, [bad]]) => bad > 0).sort(([, a], [, b]) => b[0] / b[1] - a[0] / a[1]);
  for (const [tag, [bad, all]] of shares) console.log(`${tag}: ${bad} of ${all} differ`);
}

const reports = [];
const tags = new Map();
for (const source of flags.differential ? [differentialVectors] : [fixtureVectors, sharedVectors]) {
  for (const entry of source()) {
    const report = replay(entry);
    if (!report) continue;
    reports.push(report);
    tags.set(entry.name, entry.tags ?? []);
    printDifferences(report);
  }
}
const bad = reports.filter((report) => report.differences.length > 0);
printTable(flags.differential ? bad : reports);
if (flags.differential) printTags(reports, tags);
for (const { reason, count = 0 } of knownDifferences) console.log(`known, ${count} times: ${reason}`);
const sum = (pick) => reports.reduce((total, report) => total + pick(report), 0);
console.log(
  `\nNode ${process.versions.node}: ${reports.length} tokenizers, ${sum(({ cases }) => cases)} cases, ${bad.length} tokenizers with ${sum(({ differences }) => differences.length)} differences`,
);
if (reports.length === 0) problems.push(`--only ${flags.only}: expected names that contain it, got none`);
for (const problem of problems) console.error(problem);
if (bad.length > 0 || problems.length > 0) process.exitCode = 1;
