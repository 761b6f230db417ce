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

/**
 * What it returns resolves with false after a while, with true once it is time to stop. To `stop` it listens once: what listens to
 * a promise stays until that settles, so for each pause one more would.
 */
const pauses = (stop: Promise<unknown>): (() => Promise<boolean>) => {
  let isOver = false
  let wake = (): void => {}
  const end = (): void => {
    isOver = true
    wake()
  }
  stop.then(end, end)
  return () =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(isOver), isOver ? 0 : LOOK_EVERY_MS)
      wake = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
}

/** Resolves after `stop` does. What was recorded until then is shown. @throws TidegateError (rejects) `file_unreadable`. */
export const watch = async (
  io: CommandIo,
  output: Output,
  { paths, fromStart, opens, filter, lines }: TailWork,
  stop: Promise<unknown>,
): Promise<void> => {
  const conversations = new LiveConversations()
  const follower = new Follower(paths, fromStart, {
    onPassedOver: (why) => tell(io, `${why}; it is passed over`),
    onGone: ({ identity }) => conversations.forget(identity),
  })
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

  const paused = pauses(stop)
  try {
    await look()
    const nothing = follower.isEmpty ? ': there is no file yet' : ''
    tell(io, `following ${paths.map((path) => `'${path}'`).join(', ')}${nothing}`)
    while (!(await paused())) await look()
    await look()
  } finally {
    await follower.close()
  }
}

const isNews = ({ knownBytes }: FollowedFile, offset: number): boolean => offset >= knownBytes
