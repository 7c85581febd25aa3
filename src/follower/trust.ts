import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { GateConfig } from '../gate-config.ts';
import { readAuthorities } from '../server/authorities.ts';

/**
 * By what an https control plane is known: the authorities of the system, and those of --control-plane-ca-file. Made
 * once, since reading them takes time and memory; null where the control plane is called by http.
 */
export function openTrust({
  controlPlanes,
  controlPlaneCaFile: file,
}: Pick<GateConfig, 'controlPlanes' | 'controlPlaneCaFile'>): SecureContext | null {
  const own = file === null ? [] : [readAuthorities('--control-plane-ca-file', file)];
  if (!controlPlanes.some((origin) => origin.startsWith('https:'))) return null;
  const known = new Set([...getCACertificates('default'), ...getCACertificates('system'), ...own]);
  return createSecureContext({ ca: [...known] });
}

/** Handed on to tls.connect; the types of whoever hands it on know only the parts of it. */
export function trusting(trust: SecureContext | null): object {
  return trust === null ? {} : { secureContext: trust, rejectUnauthorized: true };
}
