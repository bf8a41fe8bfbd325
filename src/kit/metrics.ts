import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'

/** Numbers for Prometheus. Labels are few-valued: a model, a status class; ids stand in log lines. */
export interface Metrics {
  counter(
    name: string,
    help: string,
    labels?: readonly string[],
  ): (labels?: Readonly<Record<string, string>>, by?: number) => void
  /** A counter of two labels for what happens with every line: it adds in memory, and is told when the page is read. */
  tally(name: string, help: string, labels: readonly [string, string]): (first: string, second: string) => void
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void
  /** Asked for its values when the page is read. */
  gauge(
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Iterable<readonly [Readonly<Record<string, string>>, number]>,
  ): void
  readonly contentType: string
  /** The page. `others`: the values of other processes, which are added. */
  page(others?: readonly unknown[]): Promise<string>
  /** What another process can add to its own. */
  values(): Promise<unknown>
}

export function makeMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    counter(name, help, labels = []) {
      const counter = new Counter({ name, help, labelNames: [...labels], registers })
      return (values = {}, by = 1) => counter.inc({ ...values }, by)
    },
    tally(name, help, [first, second]) {
      const counts = new Map<string, Map<string, number>>()
      new Counter({
        name,
        help,
        labelNames: [first, second],
        registers,
        collect() {
          this.reset()
          for (const [a, row] of counts) for (const [b, n] of row) this.inc({ [first]: a, [second]: b }, n)
        },
      })
      return (a, b) => {
        let row = counts.get(a)
        if (!row) counts.set(a, (row = new Map()))
        row.set(b, (row.get(b) ?? 0) + 1)
      }
    },
    histogram(name, help, buckets) {
      const histogram = new Histogram({ name, help, buckets: [...buckets], registers })
      return (value) => histogram.observe(value)
    },
    gauge(name, help, labels, read) {
      new Gauge({
        name,
        help,
        labelNames: [...labels],
        registers,
        collect() {
          this.reset()
          for (const [values, n] of read()) this.set({ ...values }, n)
        },
      })
    },
    contentType: registry.contentType,
    values: () => registry.getMetricsAsJSON(),
    async page(others = []) {
      if (others.length === 0) return registry.metrics()
      const all = [await registry.getMetricsAsJSON(), ...(others as MetricObjectWithValues<MetricValue<string>>[][])]
      return AggregatorRegistry.aggregate(all).metrics()
    },
  }
}
