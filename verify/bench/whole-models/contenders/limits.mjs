// The loops of limits-source.mjs: what the engine and the machine can do at most, right now.

const BYTES = 256 << 20;
/** As long as a contender's turn: what disturbs contenders disturbs the limits alike. */
const TURN_MS = 60;

export async function open(_job, host) {
  const module = await WebAssembly.compile(await host.bytes("limits.wasm"));
  const { exports } = await WebAssembly.instantiate(module, { env: { abort() {} } });
  const first = exports.memory.grow(BYTES / 65536) * 65536;
  // Memory that was never written is one page of zeros under many addresses.
  new Uint8Array(exports.memory.buffer, first, BYTES).fill(1);
  /** Units a nanosecond, that is GFLOP/s or GB/s. */
  const rate = (units, call) => {
    const begin = performance.now();
    let calls = 0;
    for (; performance.now() - begin < TURN_MS; calls++) call();
    return (calls * units) / (performance.now() - begin) / 1e6;
  };
  const turns = 200_000;
  const limits = () => ({
    fused: rate(turns * 12 * 8, () => exports.fusedMultiplyAdd(turns)),
    separate: rate(turns * 12 * 8, () => exports.multiplyThenAdd(turns)),
    dot8: rate(turns * 12 * 32, () => exports.dotProduct8(turns)),
    bandwidth: rate(BYTES, () => exports.readMemory(first, BYTES)),
  });
  for (let turn = 0; turn < 3; turn++) limits();
  return { limits };
}
