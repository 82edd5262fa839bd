import type { ProgressEvent } from "kiloformer";
import { formatBytes } from "./format.ts";
import { escapeControls, note, type Terminal } from "./terminal.ts";

/** Loads that are done sooner show no bar. */
const QUIET_MS = 1000;
const REDRAW_MS = 100;
const BAR_CELLS = 24;

export interface Progress {
  update(event: ProgressEvent): void;
  /** Takes the bar off the screen. */
  clear(): void;
}

/** A bar on standard error for loads that last, and only where it is a terminal. */
export function createProgress({ stderr }: Terminal, now: () => number = () => performance.now()): Progress {
  const begin = now();
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    update(event) {
      const time = now();
      if (!stderr.isTTY || event.file === "" || time - begin < QUIET_MS || time - drawn < REDRAW_MS) return;
      drawn = time;
      stderr.write(`\r${drawBar(event).slice(0, (stderr.columns || 80) - 1)}\x1b[K`);
    },
    clear() {
      if (drawn > Number.NEGATIVE_INFINITY) stderr.write("\r\x1b[K");
      drawn = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Tells what a model's files hold that the runtime does not know, once each. */
export function warnings(terminal: Terminal): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    note(terminal, `warning: ${message}`);
  };
}

/** What a load calls: its warnings stand on lines of their own, where the bar was. `clear` takes the bar off in the end. */
export function listenToLoad(terminal: Terminal) {
  const { update: onProgress, clear } = createProgress(terminal);
  const warn = warnings(terminal);
  const onWarning = (message: string) => {
    clear();
    warn(message);
  };
  return { listeners: { onWarning, onProgress }, clear };
}

function drawBar({ file, loaded, total, progress }: ProgressEvent): string {
  const cells = Math.round((BAR_CELLS * progress) / 100);
  const bar = "#".repeat(cells).padEnd(BAR_CELLS, "-");
  const percent = `${Math.floor(progress)}%`.padStart(4);
  return `${percent} [${bar}] ${formatBytes(loaded)} of ${formatBytes(total)} ${escapeControls(file)}`;
}
