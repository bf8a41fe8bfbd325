#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { simulateDefaults, simulateHelp, version } from '../app.ts'
import { create } from './create.ts'
import { demo } from './demo.ts'
import { doctor } from './doctor.ts'
import { exit, tellFailure, type Exit } from './failure.ts'
import { settingsOf, withSettings } from './flags.ts'
import { checkOne, showBackends } from './backends.ts'
import { checkBucket, createKeyOf, createProject, listBuckets, listKeys, listProjects, revokeKey } from './operator.ts'
import { followResults } from './follow-results.ts'
import { formats, type Format } from './merge.ts'
import { results } from './results.ts'
import { retry } from './retry.ts'
import { run } from './run.ts'
import { serve } from './serve.ts'
import { clientOf, type ServerFlags } from './server.ts'
import { simulate } from './simulate.ts'
import { coloured, describeBatch, openTerminal, table, when, type Terminal } from './terminal.ts'
import { watch } from './watch.ts'
import { worker } from './worker.ts'

type Flags = Readonly<Record<string, unknown>>
const { env } = process
let verbose = false

/** Runs a command and leaves with its exit code. */
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
  act((t, f) => serve(t, settingsOf(f, env))),
)
withSettings(program.command('worker').description('a worker alone, for more machines (PostgreSQL)')).action(
  act((t, f) => worker(t, settingsOf(f, env))),
)
/** A file of one's own has no limits but those that one sets. */
const runDefaults = { NIGHTSHIFT_MAX_BATCH_LINES: '100000000', NIGHTSHIFT_MAX_FILE_BYTES: '100TB', NIGHTSHIFT_LOG_LEVEL: 'warn' }
withSettings(
  add('run <file>', 'one file through the backends without a server; stopped or killed, the same command goes on')
    .option('--restart', 'begin anew')
    .option('--endpoint <url>', 'what the lines are for'),
).action(
  act((t, f, [file = '']) =>
    run(t, settingsOf(f, { ...runDefaults, ...env }), file, {
      restart: f.restart === true,
      ...(typeof f.endpoint === 'string' ? { endpoint: f.endpoint } : {}),
    }),
  ),
)
ofServer(add('create <file>', 'a batch from a file, or from an address such as s3://default/a.jsonl'))
  .option('--endpoint <url>', 'default: the url of the first line')
  .option('--window <window>', 'completion window', '24h')
  .option('--watch', 'follow it to its end')
  .option('--metadata <name=value>', 'may be given again', (pair: string, all: string[] = []) => [...all, pair])
  .action(act((t, f, [input = '']) => create(t, client(f), input, f)))
function pageLimit(text: string): number {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw new InvalidArgumentError('It is a whole number from 1 to 100.')
  return limit
}
ofServer(
  add('list', 'batches, newest first')
    .option('--limit <n>', 'how many, 1 to 100', pageLimit, 20)
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
    .addOption(new Option('--format <format>', 'of that file').choices(formats).default(formats[0]))
    .option('--follow', 'its lines to standard output as they end, while it runs')
    .option('--after <position>', 'go on with following behind this position'),
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
const projects = group('projects', 'projects of this server (on its machine)')
sub(projects, 'list', 'all projects').action(act((t, f) => listProjects(t, settingsOf(f, env))))
sub(projects, 'create <name>', 'a project, with a bucket folder of its own').action(
  act((t, f, [name = '']) => createProject(t, settingsOf(f, env), name)),
)
const keys = group('keys', 'keys of this server (on its machine)')
sub(keys, 'list', 'all keys')
  .option('--project <name>', 'of one project')
  .action(act((t, f) => listKeys(t, settingsOf(f, env), f.project as string | undefined)))
sub(keys, 'create', 'a key, shown once')
  .option('--project <name>', 'of this project', 'default')
  .option('--name <name>', 'what it is for', 'key')
  .action(act((t, f) => createKeyOf(t, settingsOf(f, env), String(f.project), String(f.name))))
sub(keys, 'revoke <id>', 'a key, for good').action(act((t, f, [id = '']) => revokeKey(t, settingsOf(f, env), id)))
const buckets = group('buckets', 'which project may use which bucket')
sub(buckets, 'list', 'all grants').action(act((t, f) => listBuckets(t, settingsOf(f, env))))
sub(buckets, 'check <bucket>', 'try a grant: look, write, publish, read, delete').action(
  act((t, f, [bucket = '']) => checkBucket(t, settingsOf(f, env), bucket)),
)
const backends = group('backends', 'the inference servers')
withSettings(
  backends.command('list').description('ask each of the settings for its models').option('--json', 'one JSON document'),
).action(act((t, f) => showBackends(t, settingsOf(f, env))))
withSettings(
  backends
    .command('check <url>')
    .description('what a server is, what it has and how fast it is; its lines of settings')
    .option('--json', 'one JSON document'),
).action(act((t, f, [url = '']) => checkOne(t, settingsOf(f, env), settingsOf({ ...f, backend: [url] }, env))))

const simulator = program.command('simulate').description('a simulated inference server, for trying things out')
for (const [name, otherwise] of Object.entries(simulateDefaults))
  simulator.option(
    `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} <value>`,
    `${simulateHelp[name as keyof typeof simulateHelp]} (default: ${String(otherwise)})`,
  )
simulator.action(act((t, f) => simulate(t, f)))
withSettings(add('doctor', 'look at everything, and say what is wrong and what to do')).action(
  act((t, f) => doctor(t, settingsOf(f, env))),
)
program
  .command('demo')
  .description('everything at once on this machine, with examples')
  .option('--backend <url>', 'a real inference server', (url: string, all: string[] = []) => [...all, url])
  .option('--lines <n>', 'so many lines of each example')
  .option('--json', 'no progress')
  .action(act((t, f) => demo(t, f, env)))

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
