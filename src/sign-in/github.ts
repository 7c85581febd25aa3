import type { GithubProvider } from '../access/identity-providers/opened.ts';
import type { Method } from './method.ts';
import { SignInRefused } from './refused.ts';

/** GitHub, by OAuth 2.0. */
export function githubMethod(): Method<GithubProvider> {
  const refuse = async () => {
    throw new SignInRefused('provider_unavailable');
  };
  return { begin: refuse, prove: refuse };
}
