import type { CursorPage, Page } from '../database/paging.ts';
import type { ApiError } from '../kernel/errors.ts';
import type { ListKind } from './route.ts';

export interface Note {
  readonly code: number;
  readonly message: string;
  readonly pointer?: string;
}

const IGNORED = 1100;

/** Says that a field of the request was not understood and changed nothing. */
export function ignored(pointer: string): Note {
  return { code: IGNORED, message: 'This field is not known and was ignored', pointer };
}

/** The envelope around a result (reference §6.1). */
export function success(result: unknown, notes: readonly Note[], list?: ListKind) {
  const messages = notes.map(({ code, message, pointer }) => ({
    code,
    message,
    ...(pointer === undefined ? {} : { source: { pointer } }),
  }));
  const base = { success: true as const, errors: [], messages };
  if (list === 'cursor') {
    const page = result as CursorPage<unknown>;
    return { ...base, result: page.items, result_info: cursorInfo(page) };
  }
  if (list !== 'page') return { ...base, result };
  const page = result as Page<unknown>;
  return { ...base, result: page.items, result_info: resultInfo(page) };
}

function resultInfo({ page, perPage, items, total }: Page<unknown>) {
  const counted = total === null ? {} : { total_count: total, total_pages: Math.ceil(total / perPage) };
  return { page, per_page: perPage, count: items.length, ...counted };
}

/** The SDK reads `cursor` of some lists and `cursors.after` of others (reference §10.20): both are always there. */
function cursorInfo({ items, perPage, cursor }: CursorPage<unknown>) {
  return { count: items.length, per_page: perPage, cursor: cursor ?? '', cursors: { after: cursor ?? '' } };
}

/** The envelope of a refusal; each fault says where its code is explained. */
export function failure(error: ApiError, documentationBase: string) {
  return {
    success: false as const,
    errors: error.faults.map(({ code, message, pointer }) => ({
      code,
      message,
      documentation_url: `${documentationBase}#${code}`,
      ...(pointer === undefined ? {} : { source: { pointer } }),
    })),
    messages: [],
    result: null,
  };
}
