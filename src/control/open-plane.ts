/** What serves a gateway's connections: the main thread alone, or a fleet of workers with it. */

import type { Logger } from '../ports/logger.js'
import { DataPlane } from './data-plane.js'
import type { ControlDesk } from './desk.js'
import type { EngineChoice } from './engine-choice.js'
import type { Plane } from './plane.js'
import { PlaneUpstreams } from './upstreams/plane-upstreams.js'
import type { UpstreamNews } from './upstreams/settings.js'
import { ALL, partOf } from './upstreams/share.js'
import { type FleetOptions, WorkerFleet } from './workers/fleet.js'
import { processNow } from './workers/live-slots.js'

export const openPlane = (
  choice: EngineChoice,
  desk: ControlDesk,
  sites: Pick<FleetOptions, 'site' | 'groupSite'>,
  logger: Logger,
  { turned, wake, printed }: Pick<UpstreamNews, 'turned' | 'wake' | 'printed'>,
): Plane => {
  if (choice.kind === 'threaded')
    return new WorkerFleet({
      ...choice,
      desk,
      ...sites,
      logger,
      onTurned: turned,
      onWake: wake,
      onPrinted: printed,
    })
  const { engine } = choice
  const upstreams = new PlaneUpstreams({
    engine,
    plane: 0,
    share: (count) => partOf(count, ALL),
    now: processNow,
    random: Math.random,
    // There is nobody else.
    news: { room: () => {}, wanted: () => {}, turned, wake, printed },
  })
  return new DataPlane({ engine, control: desk, upstreams })
}
