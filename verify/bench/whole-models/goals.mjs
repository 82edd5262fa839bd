// What the runtime is to reach, as ratios of one run.
import { beside, ratioTo, shareOfLimit } from "./figures.mjs";

const at = (engine, model, figure) => ({ engine, model, figure });
const times = (place, ours, other, least) => ({
  text: `${place.model} ${place.figure}: ${ours} against ${other}, times as fast`,
  ...{ engine: place.engine, least },
  value: (report) => ratioTo(report, beside(report, place, ours), other),
});
const share = (place, ours, least, limit) => ({
  text: `${place.model} ${place.figure}: ${ours}, of the measured ${limit}`,
  ...{ engine: place.engine, least },
  value: (report) => (beside(report, place, ours) ? shareOfLimit(report, beside(report, place, ours)) : undefined),
});
const part = (engine, model, key, most, what) => ({
  text: `${model}: kiloformer f32, ${what}, of that of ort-web f32`,
  ...{ engine, most },
  value({ opened }) {
    const figure = (id) =>
      opened.find((entry) => entry.engine === engine && entry.model === model && entry.contender === id)?.[key];
    return figure("kiloformer f32") / figure("ort-web f32");
  },
});

const minilm = (figure, engine = "node24") => at(engine, "minilm", figure);
const [prefill, decode] = ["prefill 256", "decode 64"];
const written = (figure) => at("node24", "gpt2", figure);
const page = (figure) => at("chromium", "llama", figure);
const cosine = (place, ours, least) => ({
  text: `${place.model} ${place.figure}: ${ours}, cosine with f32`,
  ...{ engine: place.engine, least },
  value: (report) => beside(report, place, ours)?.cosine,
});

const goals = [
  times(minilm("1 x 128 tokens"), "kiloformer f32", "ort-web f32", 1.55),
  share(minilm("1 x 128 tokens"), "kiloformer f32", 0.78, "multiply-add limit"),
  times(minilm("1 x 128 tokens"), "kiloformer q8", "ort-web int8", 2.2),
  times(minilm("1 x 128 tokens"), "kiloformer q8", "ort-native f32", 1 / 1.2),
  cosine(minilm("1 x 128 tokens"), "kiloformer q8", 0.999),
  ...["1 x 16 tokens", "8 x 128 tokens", "1 x 512 tokens"].flatMap((figure) => [
    times(minilm(figure), "kiloformer f32", "ort-web f32", 1.6),
    times(minilm(figure), "kiloformer q8", "ort-web int8", 2),
  ]),
  times(minilm("8 x 128 tokens"), "kiloformer f32, 2 threads", "kiloformer f32", 1.7),
  share(written(decode), "kiloformer f32", 0.75, "read bandwidth"),
  times(written(decode), "kiloformer bf16", "kiloformer f32", 1.7),
  times(written(decode), "kiloformer f16", "kiloformer f32", 1.7),
  times(written(decode), "kiloformer q8", "kiloformer f32", 3),
  times(written(decode), "kiloformer q4", "kiloformer f32", 4.5),
  ...["8", "4"].flatMap((bits) => [
    times(page(decode), `kiloformer q${bits}`, `wllama q${bits}_0`, 8),
    times(page(prefill), `kiloformer q${bits}`, `wllama q${bits}_0`, 15),
    share(page(decode), `kiloformer q${bits}`, 0.6, "read bandwidth"),
  ]),
  part("node24", "minilm", "loadMs", 0.25, "time to load"),
  part("node24", "minilm", "loadPeakBytes", 0.4, "peak memory after loading"),
  part("node24", "minilm", "peakBytes", 0.4, "peak memory after all work"),
  times(minilm("1 x 128 tokens"), "kiloformer baseline f32", "ort-web f32", 1),
  times(minilm("1 x 128 tokens", "node20"), "kiloformer baseline f32", "ort-web f32", 1.15),
];

/** Each goal with what was measured; `isMet` is undefined where nothing was. */
export function goalsOf(report) {
  const asked = goals.filter(({ engine }) => report.engines.some(({ name }) => name === engine));
  return asked.map(({ text, engine, least, most, value }) => {
    const measured = value(report);
    const isKnown = Number.isFinite(measured);
    const isMet = isKnown ? (least === undefined ? measured <= most : measured >= least) : undefined;
    return { ...{ text, engine, least, most, isMet }, measured: isKnown ? measured : undefined };
  });
}
