// Of a vitest JSON report: the tests that failed, a line each with the reason, then the counts in one line.
// Files that failed before their first test count as one test each.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const report = readReport(process.argv[2]);
const broken = report.testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
);
const failed = report.numFailedTests + broken.length;
for (const { name, message } of broken) print([relative(".", name)], message);
for (const { name, assertionResults } of report.testResults) {
  for (const { fullName, status, failureMessages } of assertionResults)
    if (status === "failed") print([relative(".", name), fullName], failureMessages[0]);
}
console.log(`${report.numPassedTests} passed, ${failed} failed`);
process.exitCode = failed === 0 && report.numPassedTests > 0 ? 0 : 1;

function print(where, message = "") {
  console.log(`failed: ${where.join(": ")}: ${message.split("\n", 1)[0]}`);
}

/** Without a report, the tests as a whole are what failed. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, testResults: [] };
  }
}
