import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import { githubMethod } from './github.ts';
import type { Method, Methods } from './method.ts';
import { oidcMethod } from './oidc.ts';
import { type PinParts, pinMethod } from './pin.ts';
import { samlMethod } from './saml.ts';

/** Every way in which people sign in. */
export function createMethods(parts: PinParts): Methods {
  return {
    oidc: oidcMethod(parts),
    github: githubMethod(parts),
    saml: samlMethod(parts),
    pin: pinMethod(parts),
  };
}

/** The method of a provider. */
export function methodOf(methods: Methods, { kind }: OpenedProvider): Method<OpenedProvider> {
  // Each kind has the method of its own providers; which, the compiler cannot follow through the look-up.
  return methods[kind] as Method<OpenedProvider>;
}
