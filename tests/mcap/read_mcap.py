"""Prints the messages of an MCAP file as JSON. Written from https://mcap.dev/spec alone, to check recordings by."""

import json
import struct
import sys
import zlib

MAGIC = b"\x89MCAP0\r\n"


def text(data, at):
    (length,) = struct.unpack_from("<I", data, at)
    return data[at + 4 : at + 4 + length].decode(), at + 4 + length


def records(data, at=0):
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from("<BQ", data, at)
        if at + 9 + length > len(data):
            return
        yield opcode, data[at + 9 : at + 9 + length], at
        at += 9 + length


def messages(data):
    topics, schemas = {}, set()
    for opcode, content, at in records(data, len(MAGIC)):
        if opcode == 0x0F:
            break
        if opcode == 0x06:
            first, last, size, crc = struct.unpack_from("<QQQI", content)
            compression, begin = text(content, 28)
            (length,) = struct.unpack_from("<Q", content, begin)
            chunk = content[begin + 8 : begin + 8 + length]
            assert compression == "" and size == len(chunk) and crc == zlib.crc32(chunk)
            times, offsets = [], {}
            for kind, inner, where in records(chunk):
                if kind == 0x03:
                    schemas.add(struct.unpack_from("<H", inner)[0])
                elif kind == 0x04:
                    channel, schema = struct.unpack_from("<HH", inner)
                    assert schema in schemas
                    topics[channel], _ = text(inner, 4)
                elif kind == 0x05:
                    channel, sequence, time, published = struct.unpack_from("<HIQQ", inner)
                    assert time == published
                    times.append(time)
                    offsets.setdefault(channel, []).append((time, where))
                    message = json.loads(inner[22:])
                    yield {"topic": topics[channel], "sequence": sequence, "time": str(time), "message": message}
            assert (first, last) == (min(times), max(times))
        elif opcode == 0x07:
            channel, length = struct.unpack_from("<HI", content)
            assert offsets.pop(channel) == list(struct.iter_unpack("<QQ", content[6 : 6 + length]))


def check_summary(data):
    (start, offsets, crc) = struct.unpack_from("<QQI", data, len(data) - 28)
    assert zlib.crc32(data[start : len(data) - 12]) == crc
    groups = {}
    for opcode, content, at in records(data[:offsets], start):
        first, length = groups.get(opcode, (at, 0))
        groups[opcode] = (first, length + 9 + len(content))
        if opcode == 0x08:
            chunk, size = struct.unpack_from("<QQ", content, 16)
            assert data[chunk] == 0x06 and struct.unpack_from("<Q", data, chunk + 1)[0] + 9 == size
        if opcode == 0x0D:
            assert data[struct.unpack_from("<Q", content)[0]] == 0x0C
    told = {}
    for opcode, content, _ in records(data[: len(data) - 37], offsets):
        group, first, length = struct.unpack("<BQQ", content)
        assert opcode == 0x0E
        told[group] = (first, length)
    assert told == groups, (told, groups)


with open(sys.argv[1], "rb") as file:
    everything = file.read()
assert everything.startswith(MAGIC)
if everything.endswith(MAGIC) and len(everything) > 16:
    check_summary(everything)
json.dump(list(messages(everything)), sys.stdout)
