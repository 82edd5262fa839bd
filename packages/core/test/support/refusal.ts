import { expect } from "vitest";
import type { KiloformerError } from "../../src/errors.ts";

type ErrorClass = abstract new (...args: never[]) => KiloformerError;

/** Expects `run` to throw an error of this class, code and message, and gives it. */
export function expectRefusal(run: () => unknown, type: ErrorClass, code: string, message: string): KiloformerError {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  return check(thrown, type, code, message);
}

/** Expects the promise to reject with an error of this class, code and message, and gives it. */
export async function expectRejection(
  promise: Promise<unknown>,
  type: ErrorClass,
  code: string,
  message: string,
): Promise<KiloformerError> {
  const thrown = await promise.then(
    () => undefined,
    (error) => error,
  );
  return check(thrown, type, code, message);
}

function check(thrown: unknown, type: ErrorClass, code: string, message: string): KiloformerError {
  if (!(thrown instanceof type)) {
    throw new Error(`expected ${type.name} ${code}, got ${thrown === undefined ? "no error" : String(thrown)}`, {
      cause: thrown,
    });
  }
  const error = thrown as KiloformerError;
  expect({ code: error.code, message: error.message }).toEqual({ code, message });
  return error;
}
