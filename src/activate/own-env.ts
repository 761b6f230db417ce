/** This process's environment for a child: without what its own manager has told it, and only it. */

/** systemd's: sockets, the watchdog and the place for notifications are this process's. */
const OURS = [
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  'NOTIFY_SOCKET',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
] as const

export const ownEnv = (): Readonly<Record<string, string | undefined>> => {
  const env = { ...process.env }
  for (const name of OURS) delete env[name]
  return env
}
