/** Where a service sends what sd_notify(3) says: a datagram socket, which Node itself does not have. */

import type { Notifications } from './readiness.js'

/** @throws TidegateError (rejects) `engine_unavailable` */
export const openNotifications = async (): Promise<Notifications> => {
  throw new Error('not there yet')
}
