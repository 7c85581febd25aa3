import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Answer } from '../gate/answers.ts';
import { isRequestId, readSent, readSentCookies } from '../gate/lent.ts';
import type { GateState } from '../gate/state.ts';
import type { GateCredential } from '../gates/attachment.ts';
import type { ReadThrough } from '../gates/read-through.ts';
import type { Limits } from '../http/rate-limit.ts';
import { refusal } from '../kernel/errors.ts';
import { isObject } from '../kernel/result.ts';
import { DECIDE_PATH, EDGE_PATH } from '../protocol/gate-messages.ts';
import type { createGateEdge, EdgeQuestion } from './gate.ts';

type Edge = ReturnType<typeof createGateEdge>;

export interface GatePagesOptions {
  readonly authenticate: (secret: string) => Promise<GateCredential | null>;
  readonly readThrough: ReadThrough;
  readonly state: GateState;
  /** What a foreign proxy brings to the gate, and what a client does by itself. */
  readonly edge: Edge;
  readonly directEdge: Edge;
  readonly limits: Limits;
  readonly addressOf: (request: FastifyRequest) => string;
}

type Handle = (gate: GateCredential, body: unknown) => Promise<object>;

const gates = Symbol('gate');
type Marked = FastifyRequest & { [gates]?: GateCredential };

/** What a remote gate asks by HTTP: about one request while it has no lease, and about /cdn-cgi/access. */
export function addGatePages(app: FastifyInstance, options: GatePagesOptions): void {
  const page = (url: string, handle: Handle) =>
    app.post(url, {
      schema: { hide: true },
      config: { open: 'gates come with a credential of their own' },
      // Before the body: nothing is read for whoever is nobody.
      onRequest: (request) => authenticate(options, request),
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        const gate = (request as Marked)[gates];
        if (!gate) throw refusal('authentication');
        return reply.type('application/json').send(await handle(gate, request.body));
      },
    });
  page(DECIDE_PATH, (gate, body) => decide(options, gate, body));
  page(EDGE_PATH, (gate, body) => visit(options, gate, body));
}

async function authenticate(options: GatePagesOptions, request: FastifyRequest): Promise<void> {
  const { limits } = options;
  const ip = options.addressOf(request);
  await limits.refuseFailing(request, ip);
  const secret = secretOf(request);
  const gate = secret === null ? null : await options.authenticate(secret);
  if (!gate) {
    await limits.countFailure(request, ip);
    throw refusal('authentication');
  }
  (request as Marked)[gates] = gate;
}

function secretOf({ headers }: FastifyRequest): string | null {
  return /^Bearer ([\w-]{1,200})$/.exec(headers.authorization ?? '')?.[1] ?? null;
}

async function decide(
  { readThrough }: GatePagesOptions,
  gate: GateCredential,
  body: unknown,
): Promise<object> {
  const question = readSent(body);
  if (!question) throw refusal('invalid');
  const answer = await readThrough.decide(gate, question);
  if (!answer) throw refusal('unavailable', { headers: { 'retry-after': '1' } });
  return answer;
}

async function visit(options: GatePagesOptions, gate: GateCredential, body: unknown): Promise<Answer> {
  const asked = readEdgeQuestion(body);
  if (!asked) throw refusal('invalid');
  const { question, requestId, direct } = asked;
  const here = options.state.destinationsOn(question.host);
  const own = here.filter(({ account }) => account.accountId === gate.accountId);
  if (own.length === 0) return NOT_FOUND;
  return await (direct ? options.directEdge : options.edge)(question, own, requestId);
}

const NOT_FOUND: Answer = {
  status: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: 'Not found\n',
};

function readEdgeQuestion(
  body: unknown,
): { question: EdgeQuestion; requestId: string; direct: boolean } | null {
  if (!isObject(body)) return null;
  const { host, path, target, ip, requestId, crossSite, direct } = body;
  const cookies = readSentCookies(body.cookies);
  if (typeof crossSite !== 'boolean' || typeof direct !== 'boolean' || !cookies) return null;
  if (!isRequestId(requestId) || ![host, path, target, ip].every((one) => typeof one === 'string'))
    return null;
  const texts = { host, path, target, ip } as Record<'host' | 'path' | 'target' | 'ip', string>;
  return { question: { ...texts, cookies, crossSite }, requestId, direct };
}
