/**
 * The bridge to other machines: the messages of a channel or a topic to a stream of NATS JetStream, and those of a
 * stream to a channel or a topic. Only this subpath needs packages from npm, which are loaded when a bridge starts.
 * It also needs `--allow-net`.
 *
 * @module
 */

export { BridgeError, type BridgeErrorCode } from "./bridge_error.ts";
export { bridgeIn } from "./bridge_in.ts";
export type {
  BridgeInOptions,
  BridgeOptions,
  BridgeOutOptions,
  BridgeProgress,
} from "./bridge_options.ts";
export { bridgeOut } from "./bridge_out.ts";
export type { NatsConnection, NatsHeaders, NatsMessage, NatsStatus } from "./nats_client.ts";
