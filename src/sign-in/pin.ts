import type { PinProvider } from '../access/identity-providers/opened.ts';
import type { Method } from './method.ts';
import { SignInRefused } from './refused.ts';

/** A one-time PIN by mail. */
export function pinMethod(): Method<PinProvider> {
  const refuse = async () => {
    throw new SignInRefused('provider_unavailable');
  };
  return { begin: refuse, prove: refuse };
}
