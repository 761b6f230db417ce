/** Everybody who can be measured, in the order of the report. */

import type { Contender } from './contender.js'
import { go } from './go.js'
import { gogetway } from './gogetway.js'
import { haproxy, haproxySplice } from './haproxy.js'
import { nginx } from './nginx.js'
import { socat } from './socat.js'
import { tcpdump } from './tcpdump.js'
import { type Build, tidegate } from './tidegate.js'
import { tiproxy } from './tiproxy.js'

/** Whom the others' figures are divided by. */
export const BASELINE = haproxy.id

/** Begins the ids of another build's engines. */
export const OTHER = 'other-'

const ENGINES = ['linux', 'portable'] as const

const own = (engine: Build['engine'], dist: string): Contender =>
  tidegate({ id: engine, title: `Tidegate ${engine}`, engine, dist })

/** @param dist the build to measure @param other another build to measure beside it, or null */
export const allContenders = (dist: string, other: string | null): readonly Contender[] => [
  ...ENGINES.map((engine) => own(engine, dist)),
  ...(other === null
    ? []
    : ENGINES.map((engine) =>
        tidegate({ id: `${OTHER}${engine}`, title: `other ${engine}`, engine, dist: other }),
      )),
  haproxy,
  haproxySplice,
  nginx,
  go,
  socat,
  tiproxy,
  gogetway,
  tcpdump(own('linux', dist)),
]
