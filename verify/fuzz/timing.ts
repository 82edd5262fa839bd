/** How often something slow is done again before it is called slow. */
const TURNS = 5;

/** What the reference work takes on a machine that the limits hold on: one whose two cores do nothing else. */
const REFERENCE_MS = 2;

/**
 * The least milliseconds that some work takes, done again while it takes more than a tenth of the limit. What counts of a turn is
 * the lesser of its time on the clock, which runs while the machine does other things, and its time on processors, which has the
 * engine's own threads. What is beyond the limit counts as so much less as the machine is slower at the reference work.
 * @param slowness how many times as long as it should the machine takes
 */
export function leastMs(limitMs: number, work: () => void, slowness = measureSlowness): number {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < TURNS && least > limitMs / 10; turn++) {
    const [begin, used] = [performance.now(), process.cpuUsage()];
    work();
    const clock = performance.now() - begin;
    const { user, system } = process.cpuUsage(used);
    least = Math.min(least, clock, (user + system) / 1000);
  }
  return least > limitMs ? least / slowness() : least;
}

/** At least 1. */
function measureSlowness(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 4 * TURNS; turn++) {
    const begin = performance.now();
    referenceWork();
    least = Math.min(least, performance.now() - begin);
  }
  return Math.max(1, least / REFERENCE_MS);
}

/** Strings and a map, as in the work that is timed. */
function referenceWork(): number {
  const counts = new Map<string, number>();
  let text = "";
  for (let index = 0; index < 20_000; index++) {
    const word = String.fromCharCode(97 + ((7 * index) % 26), 97 + ((11 * index) % 26), 97 + (index % 5));
    counts.set(word, (counts.get(word) ?? 0) + 1);
    text += word;
  }
  let hash = counts.size;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}
