/** The element of this id, which index.html has. */
export const element = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;

export function say(id: string, text: string): void {
  element(id).textContent = text;
}

/** A new element of a class, with what is in it. */
export function make(tag: string, className: string, ...content: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}

export const plural = (count: number, noun: string) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
export const milliseconds = (ms: number) =>
  ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString("en")} ms`;
export const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} kB`;
export const perSecond = (count: number, ms: number) =>
  Math.round((1000 * count) / Math.max(ms, 1)).toLocaleString("en");
