#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { create } from './create.ts'
import { exit, Failure, tellFailure, type Exit } from './failure.ts'
import { settingsOf, withSettings } from './flags.ts'
import { inOffice, type Office, type OfficeFlags } from './office.ts'
import {
  createKey,
  createProject,
  eraseProject,
  keepOfProject,
  listErasures,
  listAudit,
  listBuckets,
  listKeys,
  listProjects,
  renameProject,
  weighProject,
  revokeKey,
} from './operator.ts'
import { followResults } from './follow-results.ts'
import { formats, type Format } from './merge-formats.ts'
import { deleteQuota, listQuotas, setQuota } from './quotas.ts'
import { results } from './results.ts'
import { retry } from './retry.ts'
import { simulateDefaults, simulateHelp } from '../domain/simulate-options.ts'
import { version } from '../kit/version.ts'
import { rateLimits } from '../domain/rate.ts'
import { quotaKinds } from '../domain/quota.ts'
import { grantable, usualSet } from '../domain/rights.ts'
import { eventTypes } from '../domain/webhook.ts'
import { clientOf, serverOf, type ServerFlags } from './server.ts'
import { coloured, describeBatch, openTerminal, table, when, type Terminal } from './terminal.ts'
import { usage, usageFormats, usageOfAll } from './usage.ts'
import { watch } from './watch.ts'
import { deleteWebhook, enableWebhook, listWebhooks, showDeliveries, showSecret } from './webhooks.ts'

type Flags = Readonly<Record<string, unknown>>
const { env } = process
let verbose = false

/** Runs a command and leaves with its exit code. What it needs beyond a call of a server it imports itself: that is most of what there is. */
const act =
  (work: (t: Terminal, flags: Flags, args: readonly string[]) => Promise<Exit>) =>
  async (...all: unknown[]): Promise<void> => {
    const command = all.at(-1) as Command
    const flags = command.optsWithGlobals<Flags>()
    verbose = flags.verbose === true
    process.exitCode = await work(openTerminal(flags.json === true, env), flags, command.args)
  }

const program = new Command('nightshift')
  .description('A Batch API that you run yourself, in front of any inference server.')
  .version(version)
  .option('--verbose', 'show everything that is known of an error')
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })
  .addHelpText(
    'after',
    '\nExit codes: 0 done; 1 it failed; 2 wrong usage or settings; 3 done, but some lines are in the error file; 130 stopped by the user.',
  )

const data = ['data', 'database'] as const
const add = (spec: string, about: string) => program.command(spec).description(about).option('--json', 'one JSON document')
const ofServer = (command: Command) =>
  command
    .option('--url <url>', 'address of the server (with --key)')
    .option('--key <key>', 'key for it (with --url)')
    .option('--data <folder>', 'data folder of a server on this machine')
const client = (flags: Flags) => clientOf(flags as ServerFlags, env)

withSettings(program.command('serve').description('API and worker in one process')).action(
  act(async (t, f) => (await import('./serve.ts')).serve(t, settingsOf(f, env))),
)
withSettings(program.command('worker').description('a worker alone, for more machines (PostgreSQL)')).action(
  act(async (t, f) => (await import('./worker.ts')).worker(t, settingsOf(f, env))),
)
/** A file of one's own has no limits but those that one sets. */
const runDefaults = { maxBatchLines: 100_000_000, maxFileBytes: 100e12, logLevel: 'warn' }
withSettings(
  add('run <file>', 'one file through the backends without a server; stopped or killed, the same command goes on')
    .option('--restart', 'begin anew')
    .option('--endpoint <url>', 'what the lines are for'),
  undefined,
  runDefaults,
).action(
  act(async (t, f, [file = '']) =>
    (await import('./run.ts')).run(t, settingsOf(f, env, runDefaults), file, {
      restart: f.restart === true,
      ...(typeof f.endpoint === 'string' ? { endpoint: f.endpoint } : {}),
    }),
  ),
)
ofServer(add('create <file>', 'a batch from a file, or from an address such as s3://default/a.jsonl'))
  .option('--endpoint <url>', 'default: the url of the first line')
  .option('--window <window>', 'completion window', '24h')
  .option('--watch', 'follow it to its end')
  .option('--dry-run', 'only check the file, and say what it would take and cost')
  .option('--metadata <name=value>', 'may be given again', (pair: string, all: string[] = []) => [...all, pair])
  .action(act((t, f, [input = '']) => create(t, client(f), input, f)))
const limitOf = (most: number) => (text: string) => {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > most)
    throw new InvalidArgumentError(`It is a whole number from 1 to ${most}.`)
  return limit
}
ofServer(
  add('list', 'batches, newest first')
    .option('--limit <n>', 'how many, 1 to 100', limitOf(100), 20)
    .option('--after <id>', 'older than this one'),
).action(
  act(async (t, f) => {
    const page = await client(f).listBatches({
      limit: f.limit as number,
      ...(typeof f.after === 'string' ? { after: f.after } : {}),
    })
    const row = (b: (typeof page.data)[number]) => [
      b.id,
      coloured(t, b.status),
      when(b.created_at),
      `${b.request_counts.completed}+${b.request_counts.failed}/${b.request_counts.total}`,
      b.model ?? '',
    ]
    t.out(
      t.json
        ? `${JSON.stringify(page, null, 2)}\n`
        : table([['ID', 'STATUS', 'CREATED', 'LINES', 'MODEL'], ...page.data.map(row)]),
    )
    return exit.done
  }),
)
ofServer(add('get <id>', 'a batch')).action(
  act(async (t, f, [id = '']) => {
    const batch = await client(f).getBatch(id)
    t.out(t.json ? `${JSON.stringify(batch, null, 2)}\n` : describeBatch(t, batch))
    return exit.done
  }),
)
ofServer(add('watch <id>', 'follow a batch to its end')).action(act((t, f, [id = '']) => watch(t, client(f), id)))
ofServer(
  add('results <id>', 'fetch the results of a batch')
    .option('--to <folder>', 'where to write them; - is standard output', '.')
    .option('--merged', 'one file in the order of the input, each line with its request')
    .addOption(new Option('--format <format>', 'of that file').choices(formats).default(formats[0]).implies({ merged: true }))
    .addOption(new Option('--follow', 'its lines to standard output as they end, while it runs').conflicts('merged'))
    .addOption(new Option('--after <position>', 'go on with following behind this position').conflicts('merged')),
).action(
  act((t, f, [id = '']) =>
    f.follow === true || typeof f.after === 'string'
      ? followResults(t, client(f), id, typeof f.after === 'string' ? f.after : null)
      : results(t, client(f), id, String(f.to), f.merged === true ? (f.format as Format) : null),
  ),
)
const again =
  <T>(parse: (text: string) => T) =>
  (text: string, all: T[] = []) => [...all, parse(text)]
function rateOf(text: string): [string, number] {
  const [, name = '', count = ''] = /^(\w+)=(\d{1,7})$/.exec(text) ?? []
  if (!rateLimits.some((one) => one === name) || Number(count) < 1)
    throw new InvalidArgumentError(`It is one of ${rateLimits.join(', ')}, with a number: ${rateLimits[0]}=10.`)
  return [name, Number(count)]
}
/** Seconds since 1970. */
function expiryOf(text: string): number {
  const [, count, unit] = /^(\d{1,5})([hd])$/.exec(text) ?? []
  const at = count === undefined ? Date.parse(text) : Date.now() + Number(count) * (unit === 'h' ? 3_600_000 : 86_400_000)
  if (!Number.isFinite(at))
    throw new InvalidArgumentError('It is a time from now, such as 12h or 90d, or a date such as 2027-01-31.')
  return Math.floor(at / 1000)
}
function statusOf(text: string): number {
  if (!/^[1-9]\d\d$/.test(text)) throw new InvalidArgumentError('It is an HTTP status.')
  return Number(text)
}
ofServer(
  add('retry <id>', 'a new batch of the lines that failed')
    .option('--code <code>', 'only those without an answer that have this code; may be given again', again(String))
    .option('--status <status>', 'only those whose answer had this status; may be given again', again(statusOf))
    .option('--watch', 'follow it to its end'),
).action(act((t, f, [id = '']) => retry(t, client(f), id, f)))
ofServer(add('cancel <id>', 'cancel a batch')).action(
  act(async (t, f, [id = '']) => {
    const batch = await client(f).cancelBatch(id)
    t.out(t.json ? `${JSON.stringify(batch, null, 2)}\n` : describeBatch(t, batch))
    return exit.done
  }),
)

const group = (name: string, about: string) => program.command(name).description(about)
const sub = (parent: Command, spec: string, about: string) =>
  withSettings(parent.command(spec).description(about).option('--json', 'one JSON document'), data)
/** On the server's machine with its data folder, from anywhere with its address and the key of an operator or administrator. */
const ofOffice = (command: Command) =>
  command
    .option('--url <url>', 'address of a server (with --key)')
    .option('--key <key>', 'key of an operator, or of an administrator')
const office = <T>(flags: Flags, work: (office: Office) => Promise<T>, mayMake = false): Promise<T> =>
  inOffice(flags as OfficeFlags, settingsOf(flags, env), work, mayMake)
const projects = group('projects', 'projects of a server')
ofOffice(sub(projects, 'list', 'all projects')).action(act((t, f) => office(f, (at) => listProjects(t, at))))
ofOffice(sub(projects, 'create <name>', 'a project, with a bucket folder of its own')).action(
  act((t, f, [name = '']) => office(f, (at) => createProject(t, at, name), true)),
)
ofOffice(sub(projects, 'rename <id> <name>', 'give a project another name')).action(
  act((t, f, [id = '', name = '']) => office(f, (at) => renameProject(t, at, id, name))),
)
ofOffice(sub(projects, 'weigh <id> <weight>', 'its part of what is served: 2 has twice as much as 1')).action(
  act((t, f, [id = '', weight = '']) => office(f, (at) => weighProject(t, at, id, amountIn(weight)))),
)
ofOffice(
  sub(projects, 'keep <id> <days>', 'how long its files and ended batches are kept; "forever": as the server does'),
).action(
  act((t, f, [id = '', days = '']) => office(f, (at) => keepOfProject(t, at, id, days === 'forever' ? null : amountIn(days)))),
)
ofOffice(sub(projects, 'erase <id>', 'delete a project with everything of it; a running server or worker goes on with it'))
  .option('--yes', 'really')
  .action(act((t, f, [id = '']) => office(f, (at) => eraseProject(t, at, id, f.yes === true))))
ofOffice(sub(projects, 'erasures', 'reports of projects that were erased')).action(
  act((t, f) => office(f, (at) => listErasures(t, at))),
)
const keys = group('keys', 'keys of a server')
ofOffice(sub(keys, 'list', 'all keys'))
  .option('--project <name>', 'of one project')
  .action(act((t, f) => office(f, (at) => listKeys(t, at, f.project as string | undefined))))
ofOffice(sub(keys, 'create', 'a key, shown once'))
  .option('--project <name>', 'for this project; may be given again (default: "default", or the one of --key)', again(String))
  .option('--name <name>', 'what it is for', 'key')
  .option(
    '--right <right>',
    `what it may do there; may be given again: ${grantable.join(', ')} (default: ${usualSet})`,
    again(String),
  )
  .option('--operator', 'it may look after the whole server')
  .option('--rate <name=n>', `how often it may do things; may be given again: ${rateLimits.join(', ')}`, again(rateOf))
  .option('--expires <time>', 'when it ends: so long from now, such as 90d, or a date', expiryOf)
  .action(
    act((t, f) => {
      const rights = f.right as string[] | undefined
      const named = f.project as string[] | undefined
      const access = (named ?? (f.url === undefined || rights ? ['default'] : [])).map((project) => ({
        project,
        ...(rights ? { rights } : {}),
      }))
      const order = {
        name: String(f.name),
        ...(access.length > 0 ? { access } : {}),
        operator: f.operator === true,
        ...(f.rate ? { limits: Object.fromEntries(f.rate as [string, number][]) } : {}),
        ...(typeof f.expires === 'number' ? { expires_at: f.expires } : {}),
      }
      return office(f, (at) => createKey(t, at, order))
    }),
  )
ofOffice(sub(keys, 'revoke <id>', 'a key, for good')).action(act((t, f, [id = '']) => office(f, (at) => revokeKey(t, at, id))))
ofOffice(
  withSettings(
    program.command('audit').description('who did what, and who was not let').option('--json', 'one JSON document'),
    data,
  ),
)
  .option('--project <name>', 'of one project, by id or name')
  .option('--limit <n>', 'entries, 1 to 1000', limitOf(1000), 100)
  .action(
    act((t, f) => {
      const ask = { limit: Number(f.limit), ...(typeof f.project === 'string' && { project: f.project }) }
      return office(f, (at) => listAudit(t, at, ask))
    }),
  )
const buckets = group('buckets', 'which project may use which bucket')
ofOffice(sub(buckets, 'list', 'all grants')).action(act((t, f) => office(f, (at) => listBuckets(t, at))))
sub(buckets, 'check <bucket>', 'try a grant: look, write, publish, read, delete').action(
  act(async (t, f, [bucket = '']) => (await import('./check-bucket.ts')).checkBucket(t, settingsOf(f, env), bucket)),
)
const quotas = group('quotas', 'what projects may have at most')
const ofQuotas = (spec: string, about: string) =>
  ofOffice(sub(quotas, spec, about)).option('--project <name>', 'by id or name; default: "default", or that of the key')
/** Of the server that the environment names too. */
const nearestOffice = <T>(flags: Flags, work: (office: Office) => Promise<T>): Promise<T> => {
  const isNamed = [flags.url, flags.key, flags.data, flags.database].some((flag) => flag !== undefined)
  return office({ ...flags, ...(!isNamed && serverOf(env)) }, work)
}
const quotaName = (f: Flags, kind: string) => ({
  kind,
  ...(typeof f.project === 'string' ? { project: f.project } : {}),
  ...(typeof f.model === 'string' ? { model: f.model } : {}),
})
function amountIn(text: string): number {
  const amount = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(amount)) throw new Failure(`'${text}' is not a whole number.`, exit.usage)
  return amount
}
ofQuotas('list', 'with what is used of each').action(
  act((t, f) => nearestOffice(f, (at) => listQuotas(t, at, f.project as string | undefined))),
)
ofQuotas('set <kind> <amount>', `one of ${Object.keys(quotaKinds).join(', ')}`)
  .option('--model <name>', 'of tokens and cost: only of this model')
  .action(
    act((t, f, [kind = '', text = '']) =>
      nearestOffice(f, (at) => setQuota(t, at, { ...quotaName(f, kind), amount: amountIn(text) })),
    ),
  )
ofQuotas('delete <kind>', 'as much as it likes')
  .option('--model <name>', 'of tokens and cost: that of this model')
  .action(act((t, f, [kind = '']) => nearestOffice(f, (at) => deleteQuota(t, at, quotaName(f, kind)))))
withSettings(
  add('usage', 'what was used, and what it cost')
    .option('--url <url>', 'address of the server (with --key)')
    .option('--key <key>', 'key for it (with --url); that of an operator for more than its project')
    .option('--all', 'of all projects')
    .option('--project <name>', 'of this project, by id or name')
    .option('--from <date>', 'first day, such as 2026-11-01 (UTC); default: 30 days')
    .option('--to <date>', 'last day; default: today')
    .option('--by <names>', 'date, project_id (with --all), model, api_key_id, endpoint; default: all but the last two')
    .addOption(new Option('--format <format>', 'how it is written').choices(usageFormats).default(usageFormats[0])),
  data,
).action(
  act((t, f) => {
    const project = f.project as string | undefined
    return f.all === true || project !== undefined
      ? nearestOffice(f, (at) => usageOfAll(t, at, project, f))
      : usage(t, client(f), f)
  }),
)
const webhooks = group('webhooks', 'who is told of the ends of batches')
const ofWebhooks = (spec: string, about: string) =>
  ofServer(webhooks.command(spec).description(about).option('--json', 'one JSON document'))
ofWebhooks('list', 'all of the project').action(act((t, f) => listWebhooks(t, client(f))))
ofWebhooks('create <url>', 'events are posted there; its secret is shown once')
  .option('--event <type>', `only these; may be given again: ${eventTypes.join(', ')}`, again(String))
  .action(
    act(async (t, f, [url = '']) => showSecret(t, await client(f).createWebhook(url, (f.event as string[] | undefined) ?? []))),
  )
ofWebhooks('delete <id>', 'with what was to be sent to it').action(act((t, f, [id = '']) => deleteWebhook(t, client(f), id)))
ofWebhooks('rotate <id>', 'a new secret; for a day events are signed with both').action(
  act(async (t, f, [id = '']) => showSecret(t, await client(f).rotateWebhook(id))),
)
ofWebhooks('enable <id>', 'send events again after it answered that it is gone').action(
  act((t, f, [id = '']) => enableWebhook(t, client(f), id)),
)
ofWebhooks('test <id>', 'send a test event').action(
  act(async (t, f, [id = '']) => showDeliveries(t, [await client(f).testWebhook(id)])),
)
ofWebhooks('deliveries <id>', 'what was sent, newest first')
  .option('--limit <n>', 'how many, 1 to 100', limitOf(100), 20)
  .action(act(async (t, f, [id = '']) => showDeliveries(t, await client(f).deliveries(id, f.limit as number))))
ofWebhooks('replay <id> <event>', 'send an event again').action(
  act(async (t, f, [id = '', event = '']) => showDeliveries(t, [await client(f).replay(id, event)])),
)
const signingKey = group('signing-key', 'what secrets of webhooks are made from')
sub(signingKey, 'rotate', 'a new key; secrets that were made with the one before stay good until it is retired').action(
  act(async (t, f) => (await import('./signing-key.ts')).rotateKey(t, settingsOf(f, env))),
)
sub(signingKey, 'retire', 'what the key before has made is good no longer')
  .option('--yes', 'also where webhooks still have secrets of it')
  .action(act(async (t, f) => (await import('./signing-key.ts')).retireKey(t, settingsOf(f, env), f.yes === true)))
const backends = group('backends', 'the inference servers')
withSettings(
  backends.command('list').description('ask each of the settings for its models').option('--json', 'one JSON document'),
).action(act(async (t, f) => (await import('./backends.ts')).showBackends(t, settingsOf(f, env))))
withSettings(
  backends
    .command('check <url>')
    .description('what a server is, what it has and how fast it is; its lines of settings')
    .option('--json', 'one JSON document'),
).action(
  act(async (t, f, [url = '']) =>
    (await import('./backends.ts')).checkOne(t, settingsOf(f, env), settingsOf({ ...f, backend: [url] }, env)),
  ),
)

const simulator = program.command('simulate').description('a simulated inference server, for trying things out')
for (const [name, otherwise] of Object.entries(simulateDefaults))
  simulator.option(
    `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} <value>`,
    `${simulateHelp[name as keyof typeof simulateHelp]} (default: ${String(otherwise)})`,
  )
simulator.action(act(async (t, f) => (await import('./simulate.ts')).simulate(t, f)))
withSettings(add('doctor', 'look at everything, and say what is wrong and what to do')).action(
  act(async (t, f) => (await import('./doctor.ts')).doctor(t, settingsOf(f, env))),
)
program
  .command('demo')
  .description('everything at once on this machine, with examples')
  .option('--backend <url>', 'a real inference server', (url: string, all: string[] = []) => [...all, url])
  .option('--lines <n>', 'so many lines of each example', limitOf(1_000_000))
  .option('--json', 'no progress')
  .action(act(async (t, f) => (await import('./demo.ts')).demo(t, f, env)))

/** Whoever reads has had enough (`| head`): that is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exit.done)
  throw error
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode =
    error instanceof CommanderError
      ? error.exitCode === 0
        ? exit.done
        : exit.usage
      : tellFailure(error, verbose, (text) => process.stderr.write(text))
}
