// What tables, plots and goals make of a report's rows.
import { anchor, contenders } from "./contenders.mjs";

const byId = new Map(contenders.map((contender) => [contender.id, contender]));
export const contenderOf = ({ contender }) => byId.get(contender);

/** The row of a contender with the same work on the same engine. */
export const beside = (report, { engine, model, figure }, contender) =>
  report.rows.find(
    (row) => row.engine === engine && row.model === model && row.figure === figure && row.contender === contender,
  );

/** How many times as fast a row is as another contender's; both are medians of the same rounds. */
export function ratioTo(report, row, contender = anchor) {
  const other = row && beside(report, row, contender);
  return other && other.ms / row.ms;
}

/**
 * The part of what the engine can do at most: of the bandwidth where each token reads all weights, else of multiply-adds or 8-bit
 * dot products. Undefined where one thread's limit says nothing.
 */
export function shareOfLimit(report, row) {
  const { threads, module, precision, options } = contenderOf(row);
  if (threads > 1 || options.native) return undefined;
  const limits = report.limits.find(({ engine, model }) => engine === row.engine && model === row.model);
  if (row.weightGigabytesPerSecond) return row.weightGigabytesPerSecond / limits.bandwidth;
  if (/^(q|int)/.test(precision)) return row.gigaflops / limits.dot8;
  return row.gigaflops / (module === "kiloformer" && options.build === "simd" ? limits.separate : limits.fused);
}

/** Rows by engine, model and figure, in order. */
export function groupsOf({ rows, engines, models }) {
  return engines.flatMap((engine) =>
    models.flatMap((model) => {
      const own = rows.filter((row) => row.engine === engine.name && row.model === model.name);
      return [...new Set(own.map(({ figure }) => figure))].map((figure) => ({
        ...{ engine, model, figure },
        rows: own.filter((row) => row.figure === figure),
      }));
    }),
  );
}
