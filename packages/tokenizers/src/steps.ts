/** All steps of some work at once: its pauses are for those who wait for it. */
export function drain<Value>(steps: Generator<unknown, Value>): Value {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
