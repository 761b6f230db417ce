// A vitest reporter that counts what passed and failed in each project. Tells each failure, and each test that
// passed only when it was tried again, when its file has ended, and a table at the end; keeps "PASSED FAILED" of what has ended so far in the file that COUNTS_FILE names. So a run that is
// cut off says what failed, too.
import { writeFileSync } from 'node:fs'

const COLUMNS = ['passed', 'failed', 'skipped']

const tell = (module, what, errors = [], verdict = 'FAILED') => {
  process.stdout.write(`${verdict} ${module.project.name} ${module.relativeModuleId}: ${what}\n`)
  for (const { stack, message } of errors) process.stdout.write(`  ${stack ?? message}\n`)
}

export default class Counts {
  #projects = new Map()

  onTestModuleEnd(module) {
    const counts = this.#of(module.project.name)
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state in counts) counts[state]++
      if (state === 'failed') tell(module, test.fullName, test.result().errors)
      else if (test.diagnostic()?.flaky) tell(module, test.fullName, test.result().errors, 'TRIED TWICE')
    }
    // A file that could not even be loaded, or whose hooks failed, has no test that says so.
    if (module.state() === 'failed' && ![...module.children.allTests('failed')].length) {
      counts.failed++
      tell(module, 'the file', module.errors())
    }
    const sum = (column) => [...this.#projects.values()].reduce((all, of) => all + of[column], 0)
    writeFileSync(process.env.COUNTS_FILE, `${sum('passed')} ${sum('failed')}\n`)
  }

  onTestRunEnd() {
    const line = (name, cells) =>
      `${name.padEnd(16)}${cells.map((cell) => String(cell).padStart(9)).join('')}\n`
    process.stdout.write(`\n${line('project', COLUMNS)}`)
    for (const [name, counts] of [...this.#projects].sort())
      process.stdout.write(
        line(
          name,
          COLUMNS.map((column) => counts[column]),
        ),
      )
  }

  #of(name) {
    const counts = this.#projects.get(name) ?? { passed: 0, failed: 0, skipped: 0 }
    this.#projects.set(name, counts)
    return counts
  }
}
