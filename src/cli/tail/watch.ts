/** Looks for what was recorded, prints the connections that are over, and again, until it is told to stop. */

import type { ConversationEvent } from '../../core/conversation.js'
import { createConnectionTable } from '../../core/inspect/connections.js'
import { LiveConversations } from '../../core/inspect/live.js'
import { type FollowedFile, Follower } from '../../sources/file/follow.js'
import { type CommandIo, type Output, tell } from '../output.js'
import { damageText } from '../reading.js'
import type { CompiledFilter } from './filter.js'
import type { TailLines } from './lines.js'

/** How often to look: soon enough for a person, and next to nothing for a disk. */
const LOOK_EVERY_MS = 250

export interface TailWork {
  readonly paths: readonly string[]
  /** Show what is there already as well. */
  readonly fromStart: boolean
  /** Show also when a connection begins. */
  readonly opens: boolean
  readonly filter: CompiledFilter
  readonly lines: TailLines
}

/** Resolves with false after a while, with true once it is time to stop. */
const paused = (stop: Promise<unknown>): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), LOOK_EVERY_MS)
    const end = (): void => {
      clearTimeout(timer)
      resolve(true)
    }
    stop.then(end, end)
  })

/** Resolves after `stop` does. What was recorded until then is shown. @throws TidegateError (rejects) `file_unreadable`. */
export const watch = async (
  io: CommandIo,
  output: Output,
  { paths, fromStart, opens, filter, lines }: TailWork,
  stop: Promise<unknown>,
): Promise<void> => {
  const follower = new Follower(paths, fromStart)
  const conversations = new LiveConversations()
  const table = createConnectionTable()

  const lineOf = (event: ConversationEvent): string | null => {
    const ended = table.push(event)
    if (event.kind === 'open' && opens && filter.admitsOpen(event)) return lines.open(event)
    return ended !== null && ended.end.state === 'closed' && filter.admits(ended) ? lines.close(ended) : null
  }

  const look = async (): Promise<void> => {
    for await (const { file, records, shift } of follower.look())
      for (const record of records) {
        if (record.kind === 'damage') {
          tell(
            io,
            `'${file.path}' is ${damageText({ ...record, offset: record.offset + shift })}; it is not followed any more`,
          )
          continue
        }
        for (const event of conversations.push(record, file.identity)) {
          const line = lineOf(event)
          if (line !== null && isNews(file, record.offset + shift)) await output.write(line)
        }
      }
    await output.flush()
  }

  try {
    await look()
    tell(io, `following ${paths.map((path) => `'${path}'`).join(', ')}`)
    while (!(await paused(stop))) await look()
    await look()
  } finally {
    await follower.close()
  }
}

const isNews = ({ knownBytes }: FollowedFile, offset: number): boolean => offset >= knownBytes
