/** A colour as `#rrggbb`. */
const COLOUR = /^#[0-9a-f]{6}$/i;

/** What text needs at least before its ground (WCAG 2.2, 1.4.3). */
const READABLE = 4.5;

export function isColour(text: string): boolean {
  return COLOUR.test(text);
}

/** The ratio of contrast of two colours `#rrggbb`, from 1 to 21 (WCAG 2.2, relative luminance). */
export function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** The first of these colours that can be read on the ground; else black or white, of which one always can. */
export function readableOn(ground: string, wanted: readonly (string | null)[]): string {
  const readable = (colour: string | null): colour is string =>
    colour !== null && contrast(colour, ground) >= READABLE;
  return wanted.find(readable) ?? (contrast('#000000', ground) >= READABLE ? '#000000' : '#ffffff');
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) =>
    linear(Number.parseInt(colour.slice(at, at + 2), 16)),
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function linear(byte: number): number {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}
