import { Command } from 'commander'
import { addressArgument, endpointListArgument } from '../checked-option.js'
import { parseFlags } from '../flag-config.js'
import { addRelayOptions, configOfFlags, type RelayFlags } from '../options.js'
import { runGateway } from '../run.js'

const HELP = `
LISTEN and TARGET are addresses: host:port, :port, [ipv6]:port or unix:/path. To listen at :port is to listen on
every interface. Port 0 takes any free port and prints it. Further targets are tried in order when the first cannot be reached;
--balance spreads the clients over all of them instead.

SIGUSR2 prints listeners, upstreams and connections by state on stderr (not on Windows).

Examples:
  tidegate relay 127.0.0.1:6380 127.0.0.1:6379
  tidegate relay 127.0.0.1:8080 10.0.0.7:80 10.0.0.8:80 --connect-timeout 500ms
  tidegate relay 127.0.0.1:8080 10.0.0.7:80 10.0.0.8:80 --balance least_conn
  tidegate relay unix:/run/db.sock db.internal:5432 --max-connections 50 --overflow refuse
`

export const relayCommand = (): Command =>
  addRelayOptions(
    new Command('relay')
      .description('accept connections at LISTEN and relay them to TARGET')
      .argument('<LISTEN>', 'where to accept clients', addressArgument('LISTEN'))
      .argument('<TARGET...>', 'where to connect them to', endpointListArgument('TARGET')),
  )
    .addHelpText('after', HELP)
    .action(async (listen: string, targets: readonly string[], flags: RelayFlags) => {
      await runGateway(parseFlags(configOfFlags(listen, targets, flags)))
    })
