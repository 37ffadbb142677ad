// Writes docs/configuration.md and docs/landfall.schema.json from the schema; `npm run docs` runs it.
import { writeFileSync } from 'node:fs';
import { makeJsonSchema } from '../config/json-schema.ts';
import { makeReference } from '../config/reference.ts';

const docs = new URL('../docs/', import.meta.url);
writeFileSync(new URL('configuration.md', docs), makeReference());
writeFileSync(new URL('landfall.schema.json', docs), `${JSON.stringify(makeJsonSchema(), undefined, 2)}\n`);
