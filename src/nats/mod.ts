/**
 * The bridge past one machine: a channel to a stream of NATS JetStream, and a stream to a channel. Only this
 * subpath needs packages from npm; they are loaded when a bridge starts. It needs `--allow-net` too.
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
