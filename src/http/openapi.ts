import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { type TSchema, Type } from 'typebox';
import type { Route } from './route.ts';
import { Failure, successSchema, Tag } from './shapes.ts';

/** The OpenAPI 3.1 document at /client/v4/openapi.json is generated from the routes themselves. */
export function describeApi(publicUrl: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Portcullis',
        version: '4.0.0',
        description: 'The Cloudflare v4 API for identity lifecycle, as Portcullis serves it.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: publicUrl }],
      components: {
        securitySchemes: {
          api_token: { type: 'http', scheme: 'bearer' },
          api_email: { type: 'apiKey', in: 'header', name: 'X-Auth-Email' },
          api_key: { type: 'apiKey', in: 'header', name: 'X-Auth-Key' },
        },
      },
      security: [{ api_token: [] }, { api_email: [], api_key: [] }],
    },
  };
}

const SCOPE_PARAMS: Record<string, TSchema> = {
  '/accounts/:account_id': Type.Object({ account_id: Tag('Identifier of the account.') }),
  '/zones/:zone_id': Type.Object({ zone_id: Tag('Identifier of the zone.') }),
};

/** The schema of one registered path: serialisation of its success, and its row in the document. */
export function describeRoute(route: Route, prefix: string) {
  const zone = route.scope === 'account_or_zone' && prefix.startsWith('/zones') ? 'zone-level-' : '';
  const params = mergeParams(SCOPE_PARAMS[prefix], route.params);
  return {
    operationId: zone + route.operation,
    summary: route.summary,
    tags: [route.tag],
    description: `Accepted permissions (any one of them): ${route.permission.join('; ')}.`,
    // Cloudflare's own extension (reference §2.1).
    'x-api-token-group': route.permission,
    ...(params ? { params } : {}),
    ...(route.query ? { querystring: route.query } : {}),
    ...(route.body ? { body: route.body } : {}),
    response: {
      [route.status]: route.bare ? bareSchema(route.result) : successSchema(route.result, route.list),
      '4xx': Failure,
    },
  };
}

function mergeParams(scope: TSchema | undefined, own: TSchema | undefined): TSchema | null {
  const properties = { ...propertiesOf(scope), ...propertiesOf(own) };
  return Object.keys(properties).length > 0 ? Type.Object(properties) : null;
}

function propertiesOf(schema: TSchema | undefined): Record<string, TSchema> {
  return (schema as { properties?: Record<string, TSchema> } | undefined)?.properties ?? {};
}

function bareSchema(result: TSchema): TSchema {
  return Type.Object({ result, success: Type.Literal(true) });
}
