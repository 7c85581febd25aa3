import { invalidAnswer } from './refused.ts';

type NodeSamlXml = typeof import('@node-saml/node-saml/lib/xml.js');

const loadXml = (): Promise<NodeSamlXml> => import('@node-saml/node-saml/lib/xml.js');

/** An element of the whole response, of which nothing may be believed. */
export interface DocumentElement {
  readonly localName: string;
  readonly namespaceURI: string | null;
  readonly parent: DocumentElement | null;
  readonly text: string;
  attribute(name: string): string | null;
}

/** What a parser makes of it, as far as it is looked at. */
interface DomNode {
  readonly nodeType: number;
  readonly localName: string;
  readonly namespaceURI: string | null;
  readonly firstChild: DomNode | null;
  readonly nextSibling: DomNode | null;
  readonly textContent: string | null;
  readonly attributes: { readonly length: number };
  getAttribute(name: string): string | null;
}

const ELEMENT = 1;

/**
 * More than real answers have. To check a signature takes a time that grows with the square of these, and whoever begins a
 * sign-in can post a response.
 */
const MOST_ELEMENTS = 600;
const MOST_CHILDREN = 256;
const MOST_ATTRIBUTES = 64;
const DEEPEST = 32;

/** Every element of the response in order, the root first. Refuses what no provider sends. */
export async function readDocument(text: string): Promise<readonly DocumentElement[]> {
  refuseMarkup(text);
  const { parseDomFromString } = await loadXml();
  const document = await parseDomFromString(text);
  const elements: DocumentElement[] = [];
  collect(document.documentElement, { parent: null, depth: 1, elements });
  return elements;
}

/**
 * `<!` begins a DTD, a comment or CDATA, `<?` an instruction: no answer needs them, and parsers differ over them. In
 * well-formed XML they stand nowhere else.
 */
export function refuseMarkup(text: string): void {
  const body = text.startsWith('<?xml ') ? text.slice(5) : text;
  if (body.includes('<!') || body.includes('<?')) throw invalidAnswer('a DTD, comment or instruction');
  // Each element has one `<` or two.
  if (text.split('<', MOST_ELEMENTS * 2 + 2).length > MOST_ELEMENTS * 2 + 1) throw invalidAnswer('too large');
}

function collect(
  node: DomNode,
  { parent, depth, elements }: { parent: DocumentElement | null; depth: number; elements: DocumentElement[] },
): void {
  const element = toDocumentElement(node, parent);
  elements.push(element);
  if (depth > DEEPEST || elements.length > MOST_ELEMENTS || node.attributes.length > MOST_ATTRIBUTES) {
    throw invalidAnswer('too large');
  }
  let children = 0;
  for (let child = node.firstChild; child; child = child.nextSibling) {
    if (child.nodeType !== ELEMENT) continue;
    children += 1;
    if (children > MOST_CHILDREN) throw invalidAnswer('too large');
    collect(child, { parent: element, depth: depth + 1, elements });
  }
}

function toDocumentElement(node: DomNode, parent: DocumentElement | null): DocumentElement {
  const { localName, namespaceURI } = node;
  return {
    ...{ localName, namespaceURI, parent },
    get text() {
      return (node.textContent ?? '').trim();
    },
    // The parser answers an absent one with an empty text.
    attribute: (name) => node.getAttribute(name) || null,
  };
}
