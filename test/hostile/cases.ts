import type { Case, Mode } from './case.ts';
import { attributeCases } from './cases/attribute-cases.ts';
import { messageCases } from './cases/message-cases.ts';
import { multiprotocolCases } from './cases/multiprotocol-cases.ts';
import { openCases } from './cases/open-cases.ts';

export const cases: readonly Case[] = [...openCases, ...messageCases, ...attributeCases, ...multiprotocolCases];

export const casesOf = (mode: Mode): readonly Case[] => cases.filter((one) => one.mode === undefined || one.mode === mode);
