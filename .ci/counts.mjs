// Of vitest's JSON reports: the tests that failed, a line each with the reason, then the counts in one line.
// Files that failed before their first test count as one test each.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const reports = process.argv.slice(2).map(readReport);
let [passed, failed] = [0, 0];
for (const { numPassedTests, numFailedTests, testResults } of reports) {
  passed += numPassedTests;
  failed += numFailedTests;
  for (const { name, status, message, assertionResults } of testResults) {
    const file = relative(".", name);
    if (status === "failed" && assertionResults.length === 0) {
      failed += 1;
      print([file], message);
    }
    for (const { fullName, status, failureMessages } of assertionResults)
      if (status === "failed") print([file, fullName], failureMessages[0]);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && reports.every(({ numPassedTests }) => numPassedTests > 0) ? 0 : 1;

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
