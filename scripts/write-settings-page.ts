/** Writes docs/settings.md from the options table: `npx tsx scripts/write-settings-page.ts`. A test holds that it was done. */
import { writeFileSync } from 'node:fs'
import { settingsPage } from '../src/config/page.ts'

writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage())
