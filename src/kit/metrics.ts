import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

/** Numbers for Prometheus. Labels are few-valued: a model, a status class; ids stand in log lines. */
export interface Metrics {
  counter(
    name: string,
    help: string,
    labels?: readonly string[],
  ): (labels?: Readonly<Record<string, string>>, by?: number) => void
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void
  /** Asked for its values when the page is read. */
  gauge(
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Iterable<readonly [Readonly<Record<string, string>>, number]>,
  ): void
  readonly contentType: string
  page(): Promise<string>
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
    page: () => registry.metrics(),
  }
}
