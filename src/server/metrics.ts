import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

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
    position: new Gauge({
      name: 'portcullis_feed_position',
      help: 'Position up to which this process has applied the feed, by account.',
      labelNames: ['account'],
      registers,
    }),
  };
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
