/** The recipes of docs/redaction.md, as they stand there, on what their protocols send. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { compileRedaction, type RedactRule } from '../../../src/core/redact/redaction.js'
import { cutAt, redacted, redactedChunks, rule } from './support.js'

const page = readFileSync(new URL('../../../docs/redaction.md', import.meta.url), 'utf8')

const recipes = new Map(
  [...page.matchAll(/<!-- recipe: (\w+) -->\n```yaml\n(.*?)```/gs)].map(([, name, text]) => {
    const { redact } = parse(text ?? '') as {
      redact: (string | (Partial<RedactRule> & { pattern: string }))[]
    }
    const rules = redact.map((each) => (typeof each === 'string' ? rule(each) : rule(each.pattern, each)))
    return [name ?? '', rules]
  }),
)

/** By recipe: what is sent, and what of it is stored. */
const SAMPLES: Readonly<Record<string, readonly (readonly [sent: string, stored: string])[]>> = {
  redis: [
    [
      '*2\r\n$4\r\nAUTH\r\n$6\r\nhunter\r\n*1\r\n$4\r\nPING\r\n',
      '*2\r\n$4\r\nAUTH\r\n$6\r\n******\r\n*1\r\n$4\r\nPING\r\n',
    ],
    ['*3\r\n$4\r\nauth\r\n$3\r\nbob\r\n$2\r\npw\r\n', '*3\r\n$4\r\nauth\r\n$3\r\n***\r\n$2\r\n**\r\n'],
    [
      '*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$2\r\npw\r\n',
      '*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\n***\r\n$2\r\n**\r\n',
    ],
    ['PING\r\nauth hunter\r\nGET key\r\n', 'PING\r\nauth ******\r\nGET key\r\n'],
    [
      '*4\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$3\r\nbob\r\n$3\r\n>pw\r\n',
      '*4\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$3\r\nbob\r\n$3\r\n>**\r\n',
    ],
    ['*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n', '*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n'],
  ],
  http: [
    [
      'GET /?q=1&token=abc&x=2 HTTP/1.1\r\nHost: x\r\nauthorization:  Basic dTpw\r\nCookie: a=b; c=d\r\nAccept: */*\r\n\r\n',
      'GET /?q=1&token=***&x=2 HTTP/1.1\r\nHost: x\r\nauthorization:  **********\r\nCookie: ********\r\nAccept: */*\r\n\r\n',
    ],
    ['POST / HTTP/1.1\r\n\r\npassword=pw&user=bob', 'POST / HTTP/1.1\r\n\r\npassword=**&user=bob'],
    [
      'HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\nServer: x\r\n\r\n',
      'HTTP/1.1 200 OK\r\nSet-Cookie: ***\r\nServer: x\r\n\r\n',
    ],
  ],
  json: [
    [
      '{"user": "bob", "Password" : "a\\"b\\\\", "pin":1234, "n": "password"}',
      '{"user": "bob", "Password" : "******", "pin":****, "n": "password"}',
    ],
    ['{"token":"","x":"y"}', '{"token":"","x":"y"}'],
  ],
  postgres: [
    ['p\0\0\0\x0bhunter\0', 'p\0\0\0\x0b******\0'],
    ['p\0\0\0\x28md50123456789abcdef0123456789abcdef\0', `p\0\0\0\x28${'*'.repeat(35)}\0`],
    [
      "Q\0\0\0\x30CREATE ROLE bob PASSWORD 'it''s' LOGIN\0",
      "Q\0\0\0\x30CREATE ROLE bob PASSWORD '*****' LOGIN\0",
    ],
    [
      "Q\0\0\0\x30create role bob password E'it\\'s \\\\' login\0",
      "Q\0\0\0\x30create role bob password E'********' login\0",
    ],
    // With SCRAM: the mechanism, and the proof with the type of the message that follows it.
    [
      'p\0\0\0\x36SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=abc',
      `p\0\0\0\x36${'*'.repeat(13)}\0\0\0\0\x20n,,n=,r=abc`,
    ],
    ['p\0\0\0\x0cc=biws,pQ\0\0\0\x0dselect 1\0', 'p\0\0\0\x0c*********\0\0\0\x0dselect 1\0'],
  ],
  mail: [
    ['USER bob\r\nPASS my secret\r\nSTAT\r\n', 'USER bob\r\nPASS *********\r\nSTAT\r\n'],
    ['AUTH PLAIN AGJvYgBwdw==\r\nMAIL FROM:<b@x>\r\n', 'AUTH PLAIN ************\r\nMAIL FROM:<b@x>\r\n'],
  ],
  cards: [['id 12345, card 4111 1111-11111111.', 'id 12345, card ******************.']],
}

describe('the recipe', () => {
  it('list has samples for each', () => {
    expect([...recipes.keys()].toSorted()).toEqual(Object.keys(SAMPLES).toSorted())
  })

  it.each(Object.entries(SAMPLES))(
    'for %s masks the secrets and nothing else, cut anywhere',
    (name, samples) => {
      const redaction = compileRedaction(recipes.get(name) ?? [])
      for (const [sent, stored] of samples) {
        expect(redacted(redaction, sent)).toBe(stored)
        for (let place = 1; place < sent.length; place += 1) {
          expect(redactedChunks(redaction, cutAt(sent, [place]))).toBe(stored)
        }
      }
    },
  )
})
