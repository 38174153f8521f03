/** The facts of a topic, the stable contract of `topic --json`, as tables and as lines. */

import { formatProcesses } from "../../../ffi/shm_error.ts";
import { maxMessage } from "../../topic/shape.ts";
import { listTopics, statTopic, type TopicStat } from "../../topic/topic_stat.ts";
import { plural } from "../text/wording.ts";
import { columnsOf, type FactsOf, factsOf, factTable } from "./facts.ts";
import {
  LANE_FACTS,
  laneDetails,
  lanesSummary,
  messagesLine,
  messagesOf,
  owners,
  ownersLine,
  ownersOf,
  sizeLines,
} from "./lane_facts.ts";
import { LIBRARY_FACTS, type LibraryObject, usersLine } from "./library_object.ts";
import { AccountNames } from "./object_facts.ts";

const TOPIC_FACTS = {
  ...LIBRARY_FACTS,
  ...LANE_FACTS,
  ...factTable<{ readonly object: TopicStat }>()({
    /** The most bytes of a message. */
    maxMessage: {
      title: "MAXMESSAGE",
      sized: true,
      value: ({ object }) => maxMessage(object.laneCapacity),
    },
    /** The number of lanes with an owner. */
    publishers: { title: "PUBLISHERS", right: true, value: owners },
  }),
};

/** A topic in `--json`. Numbers are numbers; null is unknown or no process. */
export type TopicFacts = FactsOf<typeof TOPIC_FACTS>;

/** Topics. Reading is harmless, even if another user created one. */
export const TOPIC: LibraryObject<TopicStat, TopicFacts> = {
  name: "topic",
  list: () => listTopics({ trust: true }),
  look: (id) => statTopic(id, { trust: true }),
  facts: (object, names = new AccountNames()) =>
    factsOf(TOPIC_FACTS, { stat: object.segment, names, object }),
  columns: (style) => columnsOf(TOPIC_FACTS, style),
  shown: [
    ...["key", "id", "owner", "lanes", "laneCapacity"] as const,
    ...["messages", "publishers", "users", "kept"] as const,
  ],
  content: (object) => ({ depth: null, kept: object.persistent, count: messagesOf(object) }),
  summary: (object) =>
    `${lanesSummary(object)}, ${plural(messagesOf(object), "message")} published`,
  peers: (object) => {
    const publishers = ownersOf(object);
    return publishers.length === 0 ? [] : [`${formatProcesses(publishers)} publishes`];
  },
  lines: (object, rate = null) => [
    ...sizeLines(object, maxMessage(object.laneCapacity)),
    messagesLine(object, rate),
    ownersLine("publishers", object),
    usersLine(object),
  ],
  details: ({ lanes }) =>
    laneDetails(lanes, [
      { name: "lane", title: "LANE", right: true },
      { name: "messages", title: "MESSAGES", right: true },
      { name: "opened", title: "OPENED", right: true },
      { name: "closed", title: "CLOSED", right: true },
    ]),
};
