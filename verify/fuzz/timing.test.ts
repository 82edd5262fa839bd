import { expect, test } from "vitest";
import { leastMs } from "./timing.ts";

const usedMs = (since: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

test("a time in which the machine did something else does not count", () => {
  const other = new Int32Array(new SharedArrayBuffer(4));
  const sleep = () => Atomics.wait(other, 0, 0, 60);
  expect(leastMs(50, sleep)).toBeLessThan(50);
});

test("what computes for longer than the limit is slow, and done again until one turn is quick", () => {
  let turns = 0;
  const compute = (ms: number) => {
    turns++;
    const begin = process.cpuUsage();
    while (usedMs(begin) < ms);
  };
  const asItShould = () => 1;
  expect(leastMs(20, () => compute(30), asItShould)).toBeGreaterThan(20);
  expect(turns).toBe(5);
  expect(leastMs(20, () => compute(turns < 7 ? 30 : 0), asItShould)).toBeLessThan(20);
});

test("a machine that is slower has as much more time", () => {
  const compute = () => {
    const begin = process.cpuUsage();
    while (usedMs(begin) < 30);
  };
  expect(leastMs(20, compute, () => 2)).toBeLessThan(20);
  expect(leastMs(20, compute, () => 1.2)).toBeGreaterThan(20);
  // No machine is so slow.
  expect(leastMs(0.1, compute)).toBeGreaterThan(0.1);
});
