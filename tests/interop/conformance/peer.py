"""The peer of the conformance suite in Python. line_peer.ts says what it reads and answers."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../examples/python"))
import shm_peer
from shm_peer import (END_OF_STREAM, Consumer, Latest, LatestWriter, MailboxClient, MailboxServer, Producer,
                      Publisher, ShmError, Subscriber)


def of_mailbox(options):
    return {"timeout": options["timeout"], **({"persistent": True} if "keep" in options else {})}


def of_lanes(options):
    numbers = {name: int(options[word]) if word in options else None
               for word, name in (("lanes", "lanes"), ("capacity", "capacity"), ("size", "message_size"))}
    return {**numbers, **of_headed(options)}


def of_latest(options):
    numbers = {name: int(options[name]) if name in options else None for name in ("size", "cells")}
    return {**numbers, **of_headed(options)}


def of_headed(options):
    return {"create": not ("open" in options or "readonly" in options), "persistent": "keep" in options,
            "message_type": options.get("type"), "timeout": options["timeout"]}


# Each role: `send` returns the word of a payload, `receive` that of a message, or None.


class Client:
    OUTCOMES = {"taken": "taken", "left": "left", "unknown": "unknown", "withdrawn": "unsent", "busy": "unsent"}

    def __init__(self, key, options):
        self.peer = MailboxClient(key, timeout=options["timeout"])

    def send(self, payload, seconds, _tag):
        return self.OUTCOMES[self.peer.send(payload.decode(), seconds, seconds > 0)]


class Server:
    def __init__(self, key, options):
        self.peer = MailboxServer(key, **of_mailbox(options))

    def receive(self, seconds):
        got = self.peer.receive(seconds)
        return got and word(got[0].encode(), sender=got[1] or 0)


class ChannelProducer:
    def __init__(self, key, options):
        self.peer = Producer(key, **of_lanes(options))

    def send(self, payload, seconds, tag):
        return "sent" if self.peer.send(payload, tag, seconds) else "unsent"

    def stage(self, payload, tag):
        self.peer.send(payload, tag, flush=False)


class ChannelConsumer:
    def __init__(self, key, options):
        self.peer, self.until_end = Consumer(key, **of_lanes(options)), "closed" in options

    def receive(self, seconds):
        got = self.peer.receive(seconds, self.until_end)
        if got is END_OF_STREAM:
            return "end"
        return got and word(got[0], tag=got[1], lane=got[2])


class Writer:
    def __init__(self, key, options):
        self.peer = LatestWriter(key, **of_latest(options))

    def send(self, payload, _seconds, _tag):
        return str(self.peer.write(payload))


class Reader:
    def __init__(self, key, options):
        self.peer, self.number = Latest(key, read_only="readonly" in options, **of_latest(options)), 0

    def receive(self, seconds):
        got = self.peer.wait(self.number, seconds)
        if got:
            self.number = got[0]
        return got and word(got[1], version=got[0])


class TopicPublisher:
    def __init__(self, key, options):
        self.peer = Publisher(key, **of_lanes(options))

    def send(self, payload, _seconds, tag):
        return str(self.peer.publish(payload, tag))


class TopicSubscriber:
    def __init__(self, key, options):
        history = int(options.get("history", 0))
        self.peer = Subscriber(key, history, read_only="readonly" in options, **of_lanes(options))

    def receive(self, seconds):
        got = self.peer.receive(seconds)
        return got and word(got.payload, tag=got.tag, lane=got.lane, number=got.number, missed=got.missed)


ROLES = {"client": Client, "server": Server, "producer": ChannelProducer, "consumer": ChannelConsumer,
         "writer": Writer, "reader": Reader, "publisher": TopicPublisher, "subscriber": TopicSubscriber}

handles = {}


def word(payload, **facts):
    return ",".join([payload.hex() or "-", *(f"{name}={fact}" for name, fact in facts.items())])


def payload_of(text):
    return b"" if text == "-" else bytes.fromhex(text)


def send(handle, ms, tag, *payloads):
    for payload in payloads:
        yield handle.send(payload_of(payload), int(ms) / 1000, int(tag))


def receive(handle, ms, count):
    for _ in range(int(count)):
        yield handle.receive(int(ms) / 1000) or "none"


def until(words, last):
    """The words up to the first of `last`."""
    for each in words:
        yield each
        if each in last:
            return


def answer(verb, name, *words):
    if verb == "slice":
        shm_peer.SLICE = int(name) / 1000
    elif verb == "open":
        role, key, *options = words
        given = dict(option.split("=", 1) for option in options)
        given["timeout"] = int(given.get("timeout", 5000)) / 1000
        handles[name] = ROLES[role](int(key), given)
    elif verb == "send":
        return until(send(handles[name], *words), ("unsent",))
    elif verb == "receive":
        return until(receive(handles[name], *words), ("none", "end"))
    elif verb == "stage":
        handles[name].stage(payload_of(words[1]), int(words[0]))
    elif verb == "close":
        handles.pop(name).peer.leave()
    else:
        {"ack": handles[name].peer.ack, "nack": handles[name].peer.nack}[verb]()
    return ()


for line in sys.stdin:
    try:
        print("ok", *answer(*line.split()), flush=True)
    except (ShmError, OSError, ValueError) as error:
        print("error", error, flush=True)
