/** Runs tasks one after another, in the order they came; a task that fails leaves the queue usable. */
export class Queue {
  #tail: Promise<unknown> = Promise.resolve();

  run<R>(task: () => Promise<R> | R): Promise<R> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
