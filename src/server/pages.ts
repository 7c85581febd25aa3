import type { FastifyInstance, FastifyReply } from 'fastify';
import { catalogue } from '../kernel/errors.ts';

export interface PagesOptions {
  readonly readiness: () => Promise<Readiness>;
  /** The JWK Set of the account whose team domain the host is, or of the first account. */
  readonly certs: (host: string) => Promise<object | null>;
}

/** What /readyz says. */
export interface Readiness {
  readonly status: 'ready' | 'not ready';
  readonly reason?: string;
  /** Whether a commit waits for a standby: if not, a failover of the database may lose a removal (design §4.9). */
  readonly synchronous_replication?: boolean;
}

/** What is neither the API nor sign-in: health, the JWK Set, the explanation of error codes. */
export function addPages(app: FastifyInstance, { readiness, certs }: PagesOptions): void {
  const page = (url: string, open: string, answer: (reply: FastifyReply, host: string) => Promise<unknown>) =>
    app.get(
      url,
      { schema: { hide: true }, config: { open, unleased: url.endsWith('z') } },
      (request, reply) => answer(reply, request.headers.host?.toLowerCase() ?? ''),
    );
  page('/healthz', 'says only that the process runs', async () => ({ status: 'ok' }));
  page('/readyz', 'says only whether the server can decide', async (reply) => {
    const said = await readiness();
    return reply.code(said.status === 'ready' ? 200 : 503).send(said);
  });
  page('/cdn-cgi/access/certs', 'public keys', async (reply, host) => {
    const keys = await certs(host);
    return keys ? reply.header('cache-control', 'public, max-age=300').send(keys) : reply.callNotFound();
  });
  page('/portcullis/errors', 'documentation', async (reply) =>
    reply
      .header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      )
      .type('text/html; charset=utf-8')
      .send(errorsPage()),
  );
}

function errorsPage(): string {
  const byCode = Map.groupBy(Object.values(catalogue), ({ code }) => code);
  const rows = [...byCode].map(([code, entries]) => {
    const statuses = entries.map(({ status }) => status).join(', ');
    return `<tr id="${code}"><td>${code}<td>${statuses}<td>${entries.map(({ message }) => message).join(', ')}`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Portcullis: errors</title>
<style>:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:48rem;padding:0 1rem}
td,th{padding:.25rem 1rem .25rem 0;text-align:start}tr:target{font-weight:bold}</style>
<h1>Errors of the API</h1><table><tr><th>Code<th>Status<th>Message${rows.join('\n')}</table></html>
`;
}
