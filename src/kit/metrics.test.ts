import { expect, test } from 'vitest'
import { makeMetrics } from './metrics.ts'

test('what is counted stands on the page, in the form that Prometheus reads', async () => {
  const metrics = makeMetrics()
  const tally = metrics.tally('tries_total', 'Tries', ['model', 'outcome'])
  const counter = metrics.counter('things_total', 'Things', ['kind'])
  metrics.gauge('level', 'Level', ['of'], () => [[{ of: 'x' }, 7]])
  for (let i = 0; i < 3; i++) tally('m', '2xx')
  tally('m', 'broken')
  counter({ kind: 'a' }, 2)
  for (let i = 0; i < 2; i++) {
    const page = await metrics.page()
    for (const line of [
      'tries_total{model="m",outcome="2xx"} 3',
      'tries_total{model="m",outcome="broken"} 1',
      'things_total{kind="a"} 2',
      'level{of="x"} 7',
      '# TYPE tries_total counter',
    ])
      expect(page).toContain(line)
  }
})
