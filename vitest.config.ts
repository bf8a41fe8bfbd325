import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Fifty crashes take longer than anything else, and wait for most of it: they go first, and the rest beside them. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => /test\/crash\/crash\./.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxConcurrency: 2, // of tests that say that they may run beside others of their file
    pool: 'forks',
    maxWorkers: Math.max(2, availableParallelism() - 1), // NOTE: by default there would be one on two cores, and most tests wait most of the time
    globalSetup: 'test/support/servers.ts',
    sequence: { sequencer: LongestFirst },
  },
})
