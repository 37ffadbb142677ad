import type { ErrorReply, EventItem, ListReply } from './views/items.ts';

/** A request as the API socket has checked and parsed it. All text is bounded by the socket's limits. */
export type ApiRequest =
  | { readonly verb: 'status' }
  | { readonly verb: 'peers'; readonly name?: string }
  | { readonly verb: 'prefixes'; readonly prefix?: string; readonly peer?: string; readonly state?: string; readonly vm?: string }
  | { readonly verb: 'received'; readonly prefix?: string; readonly peer?: string }
  | { readonly verb: 'migrations'; readonly sinceSeconds?: number; readonly vm?: string }
  | { readonly verb: 'migration'; readonly id: string }
  | { readonly verb: 'bindings' }
  | { readonly verb: 'ignored'; readonly sinceSeconds?: number }
  | { readonly verb: 'config' }
  | { readonly verb: 'doctor' }
  | { readonly verb: 'drain' }
  | { readonly verb: 'why'; readonly address: string }
  /** `forSeconds` for withdraw only. `address` may be an IP or a /32, /128. */
  | { readonly verb: 'announce'; readonly address: string; readonly vrf?: string }
  | { readonly verb: 'withdraw'; readonly address: string; readonly vrf?: string; readonly forSeconds?: number }
  | { readonly verb: 'auto'; readonly address: string; readonly vrf?: string }
  | { readonly verb: 'reload'; readonly dryRun?: boolean }
  | { readonly verb: 'beginDrain'; readonly waitSeconds?: number }
  | { readonly verb: 'undrain' }
  | { readonly verb: 'hint'; readonly state: 'paused' | 'running'; readonly vm: string; readonly vrf?: string; readonly to?: string }
  | { readonly verb: 'clear'; readonly address: string; readonly vrf?: string };

/** What the daemon offers to the API socket. Synchronous: it reads or changes the speaker between two events. */
export interface Backend {
  handle(request: ApiRequest): ListReply<unknown> | ErrorReply;
  /** Calls `listener` for every event from now on; the result ends it. */
  subscribe(listener: (event: EventItem) => void): () => void;
}
