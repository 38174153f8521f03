/** A value that is made once for each key. */

/** The value of `key`, made at the first call. */
export function cached<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  if (!map.has(key)) map.set(key, make());
  return map.get(key)!;
}
