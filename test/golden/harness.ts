import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/*
 * A case is a text file:
 *
 *   # where the octets came from
 *   options: words that the codec understands
 *   encoding: canonical | free          free: legal, but not as we would write it
 *
 *   hex
 *   ffff ffff   # octets, with what they mean behind a #
 *
 *   json | error
 *   { … }                               octets inside are written "hex:0102"
 *
 * `UPDATE_GOLDEN=1` rewrites the last part; read the diff.
 */

export interface GoldenCase {
  readonly name: string;
  readonly file: string;
  readonly options: ReadonlySet<string>;
  readonly canonical: boolean;
  readonly bytes: Uint8Array;
  readonly expects: 'json' | 'error';
  readonly expected: string;
}

/** What the harness must know of one wire format. */
export interface GoldenCodec<Value> {
  decode(bytes: Uint8Array, options: ReadonlySet<string>): Value;
  encode(value: Value, options: ReadonlySet<string>): Uint8Array;
  /** What is shown of an error that the decoder may throw; `undefined` for any other error, which then fails the case. */
  describeError(error: unknown): object | undefined;
  /** Cuts what arrives in these slices into whole units, as the receiving side does. Left out: the format has no stream. */
  reassemble?(slices: Iterable<Uint8Array>): Uint8Array[];
  /** The first `length` octets, with length fields that agree, so that the decoder gets further than its first check. */
  truncate?(bytes: Uint8Array, length: number): Uint8Array;
}

export function readCases(folder: string): GoldenCase[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt')).sort();
  assert.ok(files.length > 0, `no cases in ${folder}`);
  return files.map((file) => parseCase(join(folder, file)));
}

function parseCase(file: string): GoldenCase {
  const text = readFileSync(file, 'utf8');
  const parts = /^([\s\S]*?)^hex\n([\s\S]*?)^(json|error)\n([\s\S]*)$/m.exec(text);
  assert.ok(parts !== null, `${file}: no hex and json (or error) part`);
  const [, head, hex, expects, expected] = parts as unknown as [string, string, string, 'json' | 'error', string];
  assert.match(head, /^# \S/, `${file}: says where it came from`);
  const digits = hex.replace(/#.*$/gm, '').replace(/\s+/g, '');
  assert.match(digits, /^([0-9a-f]{2})+$/, `${file}: octets`);
  return {
    name: basename(file, '.txt'),
    file,
    options: new Set(/^options: (.*)$/m.exec(head)?.[1]?.split(' ') ?? []),
    canonical: /^encoding: canonical$/m.test(head),
    bytes: Uint8Array.from(Buffer.from(digits, 'hex')),
    expects,
    expected: expected.trim(),
  };
}

/** Declares the tests of all cases in a folder: six ways each, or two for a case that is an error. */
export function runGolden<Value>(folder: string, codec: GoldenCodec<Value>): void {
  for (const one of readCases(folder)) {
    describe(one.name, () => {
      if (one.expects === 'error') {
        it('is refused as written', () => compare(one, codec.describeError(caught(() => codec.decode(one.bytes, one.options)))));
        it('breaks nothing when cut short', () => truncations(one, codec));
        return;
      }
      it('decodes', () => compare(one, codec.decode(one.bytes, one.options)));
      it('encodes', () => {
        const encoded = codec.encode(fromJson(one.expected) as Value, one.options);
        if (one.canonical) assert.equal(hexOf(encoded), hexOf(one.bytes));
        else assert.notEqual(hexOf(encoded), hexOf(one.bytes), 'a case that is written as we write it is canonical');
      });
      it('comes back from a round trip', () => {
        const value = codec.decode(one.bytes, one.options);
        assert.deepEqual(codec.decode(codec.encode(value, one.options), one.options), value);
      });
      if (codec.reassemble !== undefined) {
        const reassemble = codec.reassemble.bind(codec);
        it('arrives one byte at a time', () => {
          const twice = [...one.bytes, ...one.bytes].map((byte) => Uint8Array.of(byte));
          assert.deepEqual(reassemble(twice).map(hexOf), [hexOf(one.bytes), hexOf(one.bytes)]);
        });
      }
      it('breaks nothing when cut short', () => truncations(one, codec));
      it('is refused with octets behind it', () => {
        const error = caught(() => codec.decode(Uint8Array.from([...one.bytes, 0]), one.options));
        assert.notEqual(codec.describeError(error), undefined, String(error));
      });
    });
  }
}

function truncations<Value>({ bytes, options }: GoldenCase, codec: GoldenCodec<Value>): void {
  for (let length = 0; length < bytes.length; length++) {
    const error = caught(() => codec.decode(bytes.slice(0, length), options));
    assert.notEqual(codec.describeError(error), undefined, `${length} octets: ${String(error)}`);
    if (codec.truncate === undefined) continue;
    try {
      codec.decode(codec.truncate(bytes, length), options);
    } catch (inner) {
      if (codec.describeError(inner) === undefined) throw inner;
    }
  }
}

function compare(one: GoldenCase, actual: unknown): void {
  const text = toJson(actual);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    const old = readFileSync(one.file, 'utf8');
    writeFileSync(one.file, `${old.slice(0, old.lastIndexOf(`\n${one.expects}\n`) + one.expects.length + 2)}${text}\n`);
  } else {
    assert.equal(text, toJson(fromJson(one.expected)));
  }
}

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? `hex:${hexOf(item)}` : item), 2) ?? 'undefined';
}

function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) =>
    typeof item === 'string' && item.startsWith('hex:') ? Uint8Array.from(Buffer.from(item.slice(4), 'hex')) : item,
  );
}
