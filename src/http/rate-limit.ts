import rateLimit, { type CreateRateLimitOptions } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MINUTE } from '../kernel/clock.ts';
import { refusal } from '../kernel/errors.ts';

/** Requests per five minutes and credential; null for no limit (reference §6.4; decisions, Bodies). */
export type RateLimit = number | null;

export interface Limits {
  /** Refuses an address that has failed to authenticate too often in this window. */
  refuseFailing(request: FastifyRequest, ip: string): Promise<void>;
  countFailure(request: FastifyRequest, ip: string): Promise<void>;
  /** Counts a call of a credential, writes `Ratelimit` and `Ratelimit-Policy`, refuses beyond the limit. */
  countCall(request: FastifyRequest, reply: FastifyReply, credential: string): Promise<void>;
}

const WINDOW = 5 * MINUTE;
const WINDOW_SECONDS = WINDOW / 1000;

/** Fixed windows, per node, in bounded memory. */
export async function createLimits(app: FastifyInstance, limit: RateLimit): Promise<Limits> {
  if (limit === null) return unlimited;
  await app.register(rateLimit, { global: false });
  const keys = new WeakMap<FastifyRequest, string>();
  const options: CreateRateLimitOptions = {
    max: limit,
    timeWindow: WINDOW,
    keyGenerator: (request) => keys.get(request) ?? '',
  };
  const check = app.createRateLimit(options);
  const ask = async (request: FastifyRequest, key: string, increment: boolean) => {
    keys.set(request, key);
    const state = await check(request, { increment });
    return state.isAllowed ? { remaining: limit, seconds: WINDOW_SECONDS, exceeded: false } : toState(state);
  };
  return {
    refuseFailing: async (request, ip) => {
      const { exceeded, remaining, seconds } = await ask(request, `failures ${ip}`, false);
      if (exceeded || remaining <= 0) throw tooMany(seconds);
    },
    countFailure: async (request, ip) => void (await ask(request, `failures ${ip}`, true)),
    countCall: async (request, reply, credential) => {
      const { exceeded, remaining, seconds } = await ask(request, `calls ${credential}`, true);
      reply.header('Ratelimit', `"default";r=${Math.max(remaining, 0)};t=${seconds}`);
      reply.header('Ratelimit-Policy', `"default";q=${limit};w=${WINDOW_SECONDS}`);
      if (exceeded) throw tooMany(seconds);
    },
  };
}

function toState(state: { remaining: number; ttlInSeconds: number; isExceeded: boolean }) {
  return { remaining: state.remaining, seconds: state.ttlInSeconds, exceeded: state.isExceeded };
}

function tooMany(seconds: number) {
  return refusal('rateLimited', { headers: { 'retry-after': String(Math.max(1, seconds)) } });
}

const unlimited: Limits = {
  refuseFailing: async () => {},
  countFailure: async () => {},
  countCall: async () => {},
};
