// Numbers and attributes as rtnetlink(7) has them, host order: of a little-endian machine.

export const u16 = (value: number): number[] => [value & 255, value >>> 8];
export const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
/** ASCII, with the zero at its end. */
export const text = (value: string): number[] => [...value].map((character) => character.charCodeAt(0)).concat(0);

/** One attribute, padded to four octets. */
export function attribute(type: number, value: readonly number[] | Uint8Array): number[] {
  const octets = [...u16(4 + value.length), ...u16(type), ...value];
  while (octets.length % 4 !== 0) octets.push(0);
  return octets;
}
