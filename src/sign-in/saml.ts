import type { SamlProvider } from '../access/identity-providers/opened.ts';
import type { Method } from './method.ts';
import { SignInRefused } from './refused.ts';

/** SAML 2.0, web browser SSO profile. */
export function samlMethod(): Method<SamlProvider> {
  const refuse = async () => {
    throw new SignInRefused('provider_unavailable');
  };
  return { begin: refuse, prove: refuse };
}
