/** Auth0's SAML identity provider, as far as tests use it; it has no types of its own. */
declare module 'samlp' {
  import type { IncomingMessage } from 'node:http';

  /** What a service provider asked for. */
  export interface ParsedRequest {
    id?: string;
    issuer?: string;
    assertionConsumerServiceURL?: string;
    destination?: string;
    forceAuthn?: string;
  }

  export interface ResponseOptions {
    issuer: string;
    cert: string;
    key: string;
    audience: string | string[];
    recipient: string;
    destination: string;
    inResponseTo?: string | undefined;
    nameIdentifier: string;
    nameIdentifierFormat: string;
    sessionIndex?: string | undefined;
    lifetimeInSeconds?: number;
    signatureAlgorithm?: 'rsa-sha1' | 'rsa-sha256';
    digestAlgorithm?: 'sha1' | 'sha256';
    signResponse?: boolean;
    signAssertion?: boolean;
    samlStatusCode?: string;
    samlStatusMessage?: string;
    typedAttributes?: boolean;
    profileMapper: (user: { attributes: Record<string, string | string[]> }) => ProfileMapper;
  }

  export interface ProfileMapper {
    getClaims(): Record<string, string | string[]>;
    getNameIdentifier(options: ResponseOptions): { nameIdentifier: string; nameIdentifierFormat: string };
  }

  export function parseRequest(
    request: Pick<IncomingMessage, 'headers'> & { query: Record<string, string> },
    callback: (error: Error | null, data?: ParsedRequest) => void,
  ): void;

  export function getSamlResponse(
    options: ResponseOptions,
    user: { attributes: Record<string, string | string[]> },
    callback: (error: Error | null, xml: string) => void,
  ): void;
}
