/** What the recorder reports, as log lines. */

import type { OverloadPolicy, RecorderReport } from '../../core/record/recorder.js'
import type { Logger } from '../../ports/logger.js'

/** Of an overload, for people. */
export const CONSEQUENCE: Readonly<Record<OverloadPolicy, string>> = {
  block: 'the traffic is slowed',
  drop: 'bytes are left out',
  disconnect: 'connections are ended',
}

export const logReport = (logger: Logger, where: string, report: RecorderReport): void => {
  switch (report.kind) {
    case 'write_failing':
      logger.warn(
        { where, why: report.why },
        `the recording to '${where}' fails, bytes are lost: ${report.why}`,
      )
      return
    case 'write_recovered':
      logger.info(
        { where, lostBytes: report.lostBytes },
        `the recording to '${where}' works again; ${report.lostBytes} bytes were lost`,
      )
      return
    case 'overload':
      logger.warn(
        { where, overload: report.policy },
        `the recording to '${where}' is slower than the traffic: ${CONSEQUENCE[report.policy]}`,
      )
      return
    case 'overload_over':
      logger.info(
        { where, overload: report.policy, lostBytes: report.lostBytes },
        `the recording to '${where}' keeps up again; ${report.lostBytes} bytes were lost`,
      )
  }
}
