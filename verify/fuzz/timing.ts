/** How often something slow is done again before it is called slow. */
const TURNS = 5;

/**
 * The least milliseconds that some work takes, done again while it takes more than a tenth of the limit. What counts of a turn is
 * the lesser of its time on the clock, which runs while the machine does other things, and its time on processors, which has the
 * engine's own threads.
 */
export function leastMs(limitMs: number, work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < TURNS && least > limitMs / 10; turn++) {
    const [begin, used] = [performance.now(), process.cpuUsage()];
    work();
    const clock = performance.now() - begin;
    const { user, system } = process.cpuUsage(used);
    least = Math.min(least, clock, (user + system) / 1000);
  }
  return least;
}
