import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { listen } from './listen.ts';

export type Metrics = ReturnType<typeof createMetrics>;

/** What /metrics tells: requests, decisions, removals, and the process itself. No label names a person. */
export function createMetrics() {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  return {
    register,
    requests: new Histogram({
      name: 'portcullis_http_request_seconds',
      help: 'API and sign-in requests by route and status.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    decisions: new Counter({
      name: 'portcullis_gate_decisions_total',
      help: 'Decisions of the gate by verdict and reason.',
      labelNames: ['verdict', 'reason'],
      registers,
    }),
    refusedSignIns: new Counter({
      name: 'portcullis_sign_in_refused_total',
      help: 'Sign-ins that did not end in a session, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    requestLogDropped: new Counter({
      name: 'portcullis_request_log_dropped_total',
      help: 'Lines of the request log that are lost, or whose count is too small, for want of room or of a database.',
      registers,
    }),
    cuts: new Counter({
      name: 'portcullis_gate_cuts_total',
      help: 'Exchanges that the gate ended before their time, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    position: new Gauge({
      name: 'portcullis_feed_position',
      help: 'Position up to which this process has applied the feed, by account.',
      labelNames: ['account'],
      registers,
    }),
  };
}

/** Counts decisions; a child of the counter for each reason is found once, since every request counts here. */
export function decisionCounter({ decisions }: Metrics): (verdict: string, reason: string) => void {
  const children = new Map<string, { inc(): void }>();
  return (verdict, reason) => {
    const known = children.get(reason) ?? decisions.labels(verdict, reason);
    children.set(reason, known);
    known.inc();
  };
}

/** When the certificate that is served runs out; only where TLS is ours to end, since 0 would say that it has. */
export function certificateExpiry({ register }: Metrics): Gauge {
  return new Gauge({
    name: 'portcullis_tls_certificate_expiry_seconds',
    help: 'When the TLS certificate that is served expires, in seconds since the epoch.',
    registers: [register],
  });
}

/** Shows how many exchanges are open, counted when it is asked. */
export function showOpenExchanges({ register }: Metrics, count: () => number): void {
  new Gauge({
    name: 'portcullis_gate_open_exchanges',
    help: 'Requests, streams and upgraded connections that the built-in proxy carries at this moment.',
    registers: [register],
    collect() {
      this.set(count());
    },
  });
}

/** Serves /metrics and nothing else. */
export function createMetricsServer({ register }: Metrics): Server {
  return createServer((request, response) => {
    if (request.url !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404).end();
      return;
    }
    register.metrics().then(
      (text) => response.writeHead(200, { 'content-type': register.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
}

/** Serves /metrics; answers how to stop that. */
export async function serveMetrics(
  metrics: Metrics,
  at: { host: string; port: number },
): Promise<() => Promise<void>> {
  const server: Server = createMetricsServer(metrics);
  await listen(server, at);
  return async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
}
