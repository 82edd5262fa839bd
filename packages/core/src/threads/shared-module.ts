import { RuntimeError } from "../errors.ts";
import { leb, readLeb } from "../leb.ts";

const IMPORT_SECTION = 2;
const MEMORY = 2;
/** Shared, with a maximum. */
const SHARED_LIMITS = 3;
/** 65,536 pages: all that 32 bits address. */
const MOST_PAGES = [0x80, 0x80, 0x04];

/**
 * A kernel module whose memory import is shared: an unshared import refuses a shared memory and the other way round, and nothing
 * else differs.
 * @throws {RuntimeError} `kernels-refused` when the bytes are no kernels
 */
export function shareMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  for (let at = 8; at < bytes.length; ) {
    const [id, size] = [bytes[at], readLeb(bytes, at + 1)];
    const end = size.end + size.value;
    if (id === IMPORT_SECTION) {
      const module = readLeb(bytes, size.end + 1);
      const field = readLeb(bytes, module.end + module.value);
      const kind = field.end + field.value;
      const initial = readLeb(bytes, kind + 2);
      if (bytes[size.end] !== 1 || bytes[kind] !== MEMORY) break;
      const section = [...bytes.subarray(size.end, kind + 1), SHARED_LIMITS, ...leb(initial.value), ...MOST_PAGES];
      return Uint8Array.from([
        ...bytes.subarray(0, at + 1),
        ...leb(section.length),
        ...section,
        ...bytes.subarray(end),
      ]);
    }
    at = end;
  }
  throw new RuntimeError(
    "kernels-refused",
    "wasm: expected kernels that import a memory and nothing else, got another file",
  );
}
