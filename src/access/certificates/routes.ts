import { listOfAll, readPage } from '../../database/paging.ts';
import { listRoute, pagedRoute, type Route, route } from '../../http/route.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { readAuthority } from './authority-input.ts';
import {
  createCertificate,
  deleteCertificate,
  refuseSettings,
  updateCertificate,
  updateSettings,
} from './certificate-changes.ts';
import { allCertificates, getCertificate, placeOf, presentCertificate, settingsOf } from './certificates.ts';
import {
  Certificate,
  CertificateParams,
  CertificateQuery,
  CertificateSettings,
  CreateCertificate,
  Deleted,
  UpdateCertificate,
  UpdateSettings,
} from './contract.ts';
import { readHostnames } from './hostnames.ts';

const writers = ['Access: Mutual TLS Certificates Write', 'Access: Apps and Policies Write'] as const;
const readers = [
  ...writers,
  'Access: Mutual TLS Certificates Read',
  'Access: Apps and Policies Read',
  'Access: Apps and Policies Revoke',
] as const;
const base = { scope: 'account_or_zone', tag: 'Access certificates', status: 200 } as const;
const COLLECTION = '/access/certificates';
const ITEM = `${COLLECTION}/:certificate_id`;
const SETTINGS = `${COLLECTION}/settings`;
const HOSTNAMES = '/associated_hostnames';

interface Options {
  /** Hosts that can never be an application's: this server's own. */
  readonly reservedHosts: readonly string[];
}

/** /access/certificates of an account or zone: authorities of client certificates. */
export function certificateRoutes(control: Control, options: Options): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control, options), ...settingsRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-mtls-authentication-list-mtls-certificates',
      summary: 'List mTLS certificates',
      permission: readers,
      query: CertificateQuery,
      result: Certificate,
      handler: async (call) => {
        const all = await allCertificates(reader, placeOf(call));
        const list = listOfAll(all, ({ created_at, id }) => [created_at, id]);
        const page = await readPage(control, call.walk, list);
        return { ...page, items: page.items.map(presentCertificate) };
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-mtls-authentication-get-an-mtls-certificate',
      summary: 'Get an mTLS certificate',
      permission: readers,
      params: CertificateParams,
      result: Certificate,
      handler: async (call) =>
        presentCertificate(await getCertificate(reader, placeOf(call), call.params.certificate_id)),
    }),
  ];
}

function writingRoutes(control: Control, { reservedHosts }: Options): Route[] {
  const now = () => control.clock.now();
  return [
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'access-mtls-authentication-add-an-mtls-certificate',
      summary: 'Add an mTLS certificate',
      permission: writers,
      status: 201,
      body: CreateCertificate,
      result: Certificate,
      handler: async ({ act, body: { certificate, name, associated_hostnames: texts = [] }, ...call }) => {
        const authority = readAuthority(certificate, now());
        const hostnames = readHostnames(texts, HOSTNAMES);
        const write = { place: placeOf(call), authority, name, hostnames, reservedHosts };
        return await commitAct(control, act, (tx) => createCertificate(tx, { ...write, now: now() }));
      },
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-mtls-authentication-update-an-mtls-certificate',
      summary: 'Update an mTLS certificate',
      permission: writers,
      params: CertificateParams,
      body: UpdateCertificate,
      result: Certificate,
      handler: async ({ act, params: { certificate_id: id }, body, ...call }) => {
        const hostnames = readHostnames(body.associated_hostnames, HOSTNAMES);
        const write = { place: placeOf(call), id, name: body.name, hostnames, reservedHosts };
        return await commitAct(control, act, (tx) => updateCertificate(tx, { ...write, now: now() }));
      },
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-mtls-authentication-delete-an-mtls-certificate',
      summary: 'Delete an mTLS certificate',
      permission: writers,
      params: CertificateParams,
      result: Deleted,
      handler: ({ act, params: { certificate_id: id }, ...call }) =>
        commitAct(control, act, (tx) => deleteCertificate(tx, { place: placeOf(call), id })),
    }),
  ];
}

function settingsRoutes(control: Control): Route[] {
  return [
    listRoute({
      ...base,
      method: 'GET',
      path: SETTINGS,
      operation: 'access-mtls-authentication-list-mtls-certificates-hostname-settings',
      summary: 'List mTLS hostname settings',
      permission: readers,
      result: CertificateSettings,
      handler: async (call) => settingsOf(await allCertificates(control.database.reader, placeOf(call))),
    }),
    listRoute({
      ...base,
      method: 'PUT',
      path: SETTINGS,
      operation: 'access-mtls-authentication-update-an-mtls-certificate-settings',
      summary: 'Update mTLS hostname settings',
      permission: writers,
      body: UpdateSettings,
      result: CertificateSettings,
      handler: async ({ act, body: input, ...call }) => {
        refuseSettings(input);
        return await commitAct(control, act, (tx) => updateSettings(tx, { place: placeOf(call), input }));
      },
    }),
  ];
}
