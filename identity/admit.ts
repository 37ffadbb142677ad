/** Every verdict on a frame, in the words of `show ignored`, `show why` and the metrics. */
export type Verdict =
  | 'accepted' | 'repeat' | 'early' | 'reflection' | 'malformed' | 'not_evidence' | 'source_mismatch' | 'no_binding'
  | 'outside_prefixes' | 'excluded' | 'wrong_vlan' | 'wrong_port' | 'conflict' | 'flap' | 'future' | 'gated' | 'held'
  | 'rate' | 'table_full';
