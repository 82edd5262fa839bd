/** What a value is, by its tag: objects of another realm (an iframe, jsdom, node:vm) are as good, and `instanceof` knows nothing of them. */
export function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
