// Prints "PASSED FAILED" of a vitest JSON report. Usage: node count.mjs REPORT EXIT-CODE
import { readFileSync } from 'node:fs'

const [path, exitCode] = process.argv.slice(2)

const count = () => {
  const report = JSON.parse(readFileSync(path, 'utf8'))
  // A file that could not even be loaded has no tests to count.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((result) => result.status === 'failed'),
  ).length
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken }
}

const countOrNothing = () => {
  try {
    return count()
  } catch {
    return { passed: 0, failed: 0 }
  }
}

const { passed, failed } = countOrNothing()
// No report, a run cut off, an error outside of any test: whatever made vitest fail is at least one failure.
process.stdout.write(`${passed} ${exitCode === '0' ? failed : Math.max(failed, 1)}\n`)
