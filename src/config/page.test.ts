import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { settingsPage } from './page.ts'

test('docs/settings.md is made from the table', () => {
  expect(
    readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8'),
    'run: npx tsx scripts/write-settings-page.ts',
  ).toBe(settingsPage())
})
