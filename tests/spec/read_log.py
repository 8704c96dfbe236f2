#!/usr/bin/env python3
"""Reads a tracewal log and prints it as event JSON lines.

    python3 read_log.py SESSION_DIRECTORY

This is a second, independent reader of the format, written from SPEC.md alone (sections 2 and 4 to 8) with nothing but the
standard library. It exists to show that the document is complete, and as an oracle: for any directory, whatever is in it,
its output is what the document says, byte for byte. Where it had to choose, a comment says "Assumed".

Damage is output, not an error: the exit code is 0 whenever the directory can be read, and 2 otherwise.
"""

import mmap
import os
import re
import stat
import struct
import sys
from collections import Counter, namedtuple
from zlib import crc32

# ---------------------------------------------------------------------------------------------------- section 6: the tables

ENUMS = {
    "K": ("span", "session", "generation", "tool", "text", "user-message"),
    "S": ("ok", "error"),
    "F": ("handler", "panic-hook", "exit-hook", "recovery", "caller"),
    "run-ended": ("closed", "stdin-end", "process-exit"),
    "session-ended": ("completed", "error"),
    "output": ("text", "reasoning"),
    "watchdog": ("connect", "silent-stream"),
}

# Kind number (events only), name: required fields | optional fields in the order of their presence bits.
TABLE = """
1 session-started: | traceId str, rootSpanId str, name str, metadata Metadata, scopes [str]
2 run-started: pid u32 | startTimeTicks u64, bootId str, pidNamespace u64, host str, exe str, reason str
3 run-ended: reason enum run-ended
4 metadata: | title str, model str, providerId str, agent str, variant str, prompt str, userId str, environment str, \
version str, tags [str]
5 span-started: spanId str, kind enum K, name str | parentSpanId str, model Model, input json, attributes json, callId str
6 span-text: spanId str, text text
7 span-attributes: spanId str, attributes json
8 span-ended: spanId str | status enum S, statusMessage str, finishReason str, tokens Tokens, cost f64, output json, \
attributes json, durationMs dur
9 span: spanId str, kind enum K, name str, startTime time, endTime time | parentSpanId str, model Model, input json, \
attributes json, callId str, status enum S, statusMessage str, finishReason str, tokens Tokens, cost f64, output json, \
durationMs dur
10 lifecycle-begun: actionId str, kind str | scopes [str], origin Origin, parentActionId str, request str
11 lifecycle-ended: actionId str
12 evidence: source str, event str | attemptId str, terminal bool, cause str, phase str, tool str, effect str, \
output enum output, httpStatus u16, watchdog enum watchdog, retryable bool, error ErrorInfo, monotonic dur
13 note: name str | data json
14 session-ended: status enum session-ended | error str, actionId str
15 crashed: reason str | signal str, exception Exception, pid u32, foundBy enum F, foundTime time, run u32, slot u32, \
actionId str
Metadata: | title str, model str, providerId str, agent str, variant str, prompt str, userId str, environment str, \
version str, tags [str]
Model: | modelId str, providerId str, variant str
Tokens: input u64, output u64, reasoning u64, cacheRead u64, cacheWrite u64
Origin: source str | operation str, reason str
ErrorInfo: | name str, code str, message str
Exception: type str, message str | stack str
Gap: first u64, last u64, file str, offset u64, length u64, kind str | was str
"""

DURABLE_MARK, GAP, FIRST_LOG_RECORD = 240, 241, 224
VOID, REDACTED, EXPLICIT_TIME = 1, 2, 4
HIGHEST = 1 << 63  # no sequence number is above it

# Assumed: section 7 means to name `repaired` too, which section 13 has repair write.
LOSSES = ('"damage"', '"torn"', '"too-new"', '"unsynced"', '"repaired"')

SIGNALS = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
           9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
           24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS"}

# ------------------------------------------------------------------------------------------- section 8: values as JSON text

ESCAPED = re.compile('["\\\\\x00-\x1f]')
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
TIME_LIMIT = 10 ** 30
NESTING = 512


def string(text):
    """`str`: a JSON string."""
    return '"' + ESCAPED.sub(lambda m: ESCAPES.get(m.group()) or "\\u%04x" % ord(m.group()), text) + '"'


def string_of_bytes(data):
    """A JSON string of bytes, in which every maximal part that is not UTF-8 is one U+FFFD."""
    return string(data.decode("utf-8", "replace"))


def number(x):
    """`f64`: ECMAScript's Number::toString, and 0 for what is not finite and for -0."""
    if x != x or x in (float("inf"), float("-inf")) or x == 0:
        return "0"
    mantissa, _, exponent = repr(abs(x)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)  # where the decimal point is: 0.digits x 10^point
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    sign = "-" if x < 0 else ""
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    return "%s%s%se%+d" % (sign, digits[0], "." + digits[1:] if digits[1:] else "", point - 1)


def milliseconds(nanoseconds):
    """`time` and `dur`: the exact integer, or the binary64 nearest to the exact quotient."""
    if nanoseconds % 10 ** 6 == 0:
        return str(nanoseconds // 10 ** 6)
    return number(nanoseconds / 10 ** 6)  # Python's division of integers is correctly rounded


def clamped(nanoseconds):
    return max(-TIME_LIMIT, min(TIME_LIMIT, nanoseconds))


TOKEN = re.compile(r'[ \t\n\r]*(?:([\[\]{},:])|("[^"\\\x00-\x1f]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?'
                   r'|true|false|null)|(")|(\Z))')
# Without anything behind it, and with a bound, so that the expression needs no memory for going back.
STRING_PART = re.compile(r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})){1,200}')
VALUE, VALUE_OR_CLOSE, KEY, KEY_OR_CLOSE, COLON, COMMA, END = range(7)


def minified(text):
    """The JSON text without the white space outside strings, or None when it is not valid."""
    out, closers, expected, pos = [], [], VALUE, 0
    while True:
        match = TOKEN.match(text, pos)
        if not match:
            return None
        token, pos, group = match.group(match.lastindex), match.end(), match.lastindex
        if group == 3:  # a string with escapes
            start = pos - 1
            while True:
                part = STRING_PART.match(text, pos)
                if not part:
                    break
                pos = part.end()
            if text[pos:pos + 1] != '"':
                return None
            pos += 1
            token = text[start:pos]
        if group == 4:
            return "".join(out) if expected == END else None
        out.append(token)
        if group != 1:  # a string, a number, true, false, null
            if expected in (KEY, KEY_OR_CLOSE) and token[0] == '"':
                expected = COLON
            elif expected in (VALUE, VALUE_OR_CLOSE):
                expected = COMMA if closers else END
            else:
                return None
        elif token in "[{":
            if expected not in (VALUE, VALUE_OR_CLOSE) or len(closers) == NESTING:
                return None
            closers.append("]" if token == "[" else "}")
            expected = VALUE_OR_CLOSE if token == "[" else KEY_OR_CLOSE
        elif token in "]}":
            if expected not in (COMMA, VALUE_OR_CLOSE if token == "]" else KEY_OR_CLOSE) or closers.pop() != token:
                return None
            expected = COMMA if closers else END
        elif token == ",":
            if expected != COMMA:
                return None
            expected = VALUE if closers[-1] == "]" else KEY
        else:
            if expected != COLON:
                return None
            expected = VALUE


def json_value(encoding, data, only_string=False):
    """`json`: what is valid stands as it is; all else is a string of the bytes."""
    if encoding == 0:
        try:
            text = minified(data.decode("utf-8"))
        except UnicodeDecodeError:
            text = None
        if text is not None and (not only_string or text[0] == '"'):
            return text
    return string_of_bytes(data)


def json_object(fields):
    """An object of keys and values that are JSON text already."""
    return "{" + ",".join(['"%s":%s' % field for field in fields]) + "}"


# ------------------------------------------------------------------------------------------------- section 6: event bodies

class Malformed(Exception):
    pass


class Body:
    """The bytes of an event body, read from the front. Every value is read as its JSON text."""

    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, count):
        start, self.pos = self.pos, self.pos + count
        if self.pos > len(self.data):
            raise Malformed
        return self.data[start:self.pos]

    def varint(self, bits):
        first = self.take(1)[0]
        if first < 251:
            return first
        width = 2 << (first - 251)
        if 8 * width > bits or first == 255:
            raise Malformed
        return int.from_bytes(self.take(width), "little")

    def zigzag(self, bits):
        value = self.varint(bits)
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def text(self):
        try:
            return string(self.take(self.varint(64)).decode("utf-8"))
        except UnicodeDecodeError:
            raise Malformed

    def texts(self):
        return "[" + ",".join([self.text() for _ in counted(self.varint(64))]) + "]"

    def boolean(self):
        value = self.take(1)[0]
        if value > 1:
            raise Malformed
        return "true" if value else "false"

    def enum(self, names):
        value = self.take(1)[0]
        return '"%s"' % names[value if value < len(names) else 0]

    def json(self, only_string=False):
        encoding = self.take(1)[0]
        return json_value(encoding, self.take(self.varint(64)), only_string)

    def structure(self, name):
        """The fields as a dictionary from key to JSON text, in order."""
        required, optional = STRUCTURES[name]
        presence = self.varint(64)
        fields = {key: read(self) for key, read in required}
        for key, read in optional:
            if presence & 1:
                fields[key] = read(self)
            presence >>= 1
        while presence:  # fields of a newer version
            if presence & 1:
                self.take(self.varint(64))
            presence >>= 1
        return fields


def counted(count):
    while count:  # range() does not take every u64
        yield
        count -= 1


PRIMITIVES = {
    "u16": lambda body: str(body.varint(16)),
    "u32": lambda body: str(body.varint(32)),
    "u64": lambda body: str(body.varint(64)),
    "dur": lambda body: milliseconds(body.zigzag(64)),
    "time": lambda body: milliseconds(clamped(body.zigzag(128))),
    "f64": lambda body: number(struct.unpack("<d", body.take(8))[0]),
    "bool": Body.boolean,
    "str": Body.text,
    "[str]": Body.texts,
    "json": Body.json,
    "text": lambda body: body.json(only_string=True),
}


def field(text):
    key, kind = text.split(" ", 1)
    if kind.startswith("enum "):
        return key, lambda body: body.enum(ENUMS[kind[5:]])
    return key, PRIMITIVES.get(kind) or (lambda body: json_object(body.structure(kind).items()))


STRUCTURES, EVENTS = {}, {}
for row in TABLE.strip().split("\n"):
    head, fields = row.split(":")
    EVENTS.update({int(kind): head.split()[1] for kind in head.split()[:-1]})
    halves = [[field(f.strip()) for f in half.split(",") if f.strip()] for half in (fields + "|").split("|")]
    STRUCTURES[head.split()[-1]] = (halves[0], halves[1])


def decoded(name, data):
    """The fields of a body, which must be used up exactly. None: malformed."""
    try:
        body = Body(data)
        fields = body.structure(name)
        return fields if body.pos == len(data) else None
    except Malformed:
        return None


# ------------------------------------------------------------------------------------------------------ section 4: segment

HEADER = struct.Struct("<8sHHIII16s16s16sQIIQQqQQQBBHI64sB255s44sI")
SEAL = struct.Struct("<8sQQQ28sI")
SLOT = struct.Struct("<BBBBiiIQqQIH14s448sI")
MAGIC = b"\x89TWAL\r\n\x1a"
PAGE = 4096
CLAIMS = 2040  # where the crash slot claims are
CHUNK = 1 << 16
ZEROS = bytes(CHUNK)

Header = namedtuple("Header", "first_record uid boot number run first salt wall capacity run_first")
Place = namedtuple("Place", "file offset length kind segment")  # a bad place; segment only where that is readable
Slot = namedtuple("Slot", "run slot wall valid found_by state signal pid time text")


def header_at(page, offset):
    """(header or None, too new) at an offset. A header with incompatible features can be valid and too new."""
    raw = page[offset:offset + 512]
    if len(raw) < 512 or raw[:8] != MAGIC or struct.unpack_from("<I", raw, 508)[0] != crc32(raw[:508]):
        return None, False
    (_, version, first_record, _, incompatible, _, uid, _, boot, number_, run, _, first, salt, wall, _, capacity, run_first,
     codec, cipher, _, _, _, id_length, session_id, _, _) = HEADER.unpack(raw)
    too_new = version > 1 or incompatible != 0 or codec != 0 or cipher != 0
    try:
        session_id[:id_length].decode("utf-8")
        valid = version == 1 and first_record >= PAGE and first_record % 8 == 0 and id_length >= 1
        valid = valid and 1 <= first <= 1 << 62 and codec == 0 and cipher == 0
    except UnicodeDecodeError:
        valid = False
    if not valid:
        return None, too_new
    return Header(first_record, uid, boot, number_, run, first, struct.pack("<Q", salt), wall, capacity, run_first), too_new


class Segment:
    """One file of a log: its header page, and what it is."""

    def __init__(self, directory, number_):
        self.number, self.file = number_, "%d.wal" % number_
        self.path = os.path.join(directory, self.file)
        try:
            with open(self.path, "rb") as f:
                self.size = os.fstat(f.fileno()).st_size
                self.page = f.read(PAGE)
        except OSError:  # Assumed: a file that cannot be read is as one that is empty
            self.size, self.page = 0, b""
        self.header, self.too_new = header_at(self.page, 0)
        self.first_is_bad = self.header is None and not self.too_new
        copy, copy_too_new = header_at(self.page, 1024)
        self.copy_is_bad = copy is None or copy_too_new  # Assumed: one that is too new is not the copy of this header
        if self.first_is_bad:
            self.header, self.too_new = copy, copy_too_new
        self.page = self.page.ljust(PAGE, b"\0")  # bytes that do not exist count as zeros
        self.readable, self.limit, self.power_cut = False, None, False

    def data(self):
        """The bytes of the file, as they are now."""
        try:
            with open(self.path, "rb") as f:
                try:
                    return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
                except (OSError, ValueError):
                    return f.read()
        except OSError:
            return b""

    def is_unborn(self):
        """Asked of the last segment when it has no valid header and no valid copy."""
        return last_nonzero(self.data(), CLAIMS) < CLAIMS

    def place(self, offset, end, kind="damage"):
        return Place(self.file, offset, max(0, end - offset), kind, self if self.readable else None)

    def seal(self):
        """(seal, is bad): the end and the last sequence number of a valid seal."""
        raw = self.page[512:576]
        magic, _, last, end, _, checksum = SEAL.unpack(raw)
        if (magic == b"TWALSEAL" and checksum == crc32(self.header.salt + raw[:60])
                and last <= HIGHEST and self.header.first_record <= end <= self.header.capacity):
            return (end, last), False
        return None, any(magic)

    def claims(self):
        """(the numbers of the claimed slots, whether the word has not counted them all)."""
        if self.header.run_first != self.number:
            return [], False
        word, = struct.unpack_from("<I", self.page, CLAIMS)
        k = word & 255
        counted = min(4, k) if word == k * 0x01010101 else 0
        claimed = [n for n in range(4) if n < counted or self.slot(n).valid]
        return claimed, word != k * 0x01010101 or len(claimed) > counted

    def page_places(self):
        """The bad places of the header page, in order of offset."""
        bad = ((self.first_is_bad, 0, 512), (self.seal()[1], 512, 576), (self.copy_is_bad, 1024, 1536),
               (self.claims()[1], CLAIMS, CLAIMS + 4))
        return [self.place(start, end) for is_bad, start, end in bad if is_bad]

    def slots(self):
        """The claimed crash slots."""
        return [self.slot(n) for n in self.claims()[0]]

    def slot(self, n):
        raw = self.page[2048 + 512 * n:2560 + 512 * n]
        (version, found_by, state, _, signal, _, pid, _, time, _, _, length, _, text, checksum) = SLOT.unpack(raw)
        valid = (version == 1 and length <= 448 and state in (1, 2)
                 and checksum == crc32(self.header.salt + struct.pack("<I", n) + raw[:508]))
        return Slot(self.header.run, n, self.header.wall, valid, found_by, state, signal, pid, time, text[:length])


def last_nonzero(data, start):
    """The offset of the last byte at or behind start that is not zero; start - 1 when there is none."""
    end = len(data)
    while end > start:
        begin = max(start, end - CHUNK)
        chunk = data[begin:end].rstrip(b"\0")
        if chunk:
            return begin + len(chunk) - 1
        end = begin
    return start - 1


# ------------------------------------------------------------------------------------------------------- section 5: record

RECORD = struct.Struct("<IBBhIIII")  # header crc, kind, flags, time hi, body length, body crc, sequence delta, time lo
WORD = struct.Struct("<IB3x")
LONGEST_BODY = 1 << 30

Record = namedtuple("Record", "segment kind flags seq time body")
Loss = namedtuple("Loss", "place first last")


def checked(data, p, end, salt_crc):
    """The record header at p when it checks, else None."""
    head = RECORD.unpack_from(data, p)
    shortest = 16 if head[2] & EXPLICIT_TIME else 0
    if (head[1] != 0 and shortest <= head[4] <= LONGEST_BODY and p + 24 + head[4] <= end
            and head[0] == crc32(data[p + 4:p + 24], crc32(struct.pack("<Q", p), salt_crc))):
        return head
    return None


def resynchronise(data, q, end, salt_crc):
    """The first offset from q on at which a record header checks, or None. Looks at no body."""
    step = 512  # the step grows, so that many short gaps cost no more than their length
    while q + 24 <= end:
        count, step = min(step, end - 24 - q + 8) // 8, min(2 * step, CHUNK)  # how many offsets to try from q on
        words = data[q:q + 8 * count + 8]
        if words[:8 * count] != ZEROS[:8 * count]:
            kind, most = 0, min(LONGEST_BODY, end - 24 - q)
            for i, (length, following_kind) in enumerate(WORD.iter_unpack(words), -1):
                if kind and length <= most and checked(data, q + 8 * i, end, salt_crc):
                    return q + 8 * i
                kind = following_kind
        q += 8 * count
    return None


def records(data, p, end, salt_crc):
    """What is found from p on: (offset, header, offset behind it), with None for the header where bytes are bad."""
    while p + 24 <= end:
        head = checked(data, p, end, salt_crc)
        behind = up_to_8(p + 24 + head[4]) if head else resynchronise(data, p + 8, end, salt_crc)
        if behind is None:
            return
        yield p, head, behind
        p = behind


def body_of(data, p, head):
    """The body of the record at p, or None when its checksum is wrong."""
    body = data[p + 24:p + 24 + head[4]]
    return body if crc32(body) == head[5] else None


def record(segment, head, seq, body):
    """A valid record, with its time; an explicit time is not part of the event body."""
    _, kind, flags, high, _, _, _, low = head
    time = segment.header.wall + (high << 32) + low
    if flags & EXPLICIT_TIME:
        time, body = clamped(int.from_bytes(body[:16], "little", signed=True)), body[16:]
    return Record(segment, kind, flags, seq, time, body)


def durable_mark(item):
    """The sequence number in a durable-mark, or 0 when the record has no effect as one."""
    mark = int.from_bytes(item.body, "little")
    return mark if item.kind == DURABLE_MARK and len(item.body) == 8 and mark <= HIGHEST else 0


def gap(item):
    """The fields of a gap record, or None when it is malformed."""
    return decoded("Gap", item.body) if item.kind == GAP else None


def numbers(lost):
    """The numbers that a gap says are missing, or None. Assumed: what is too high is not shown either."""
    first, last = int(lost["first"]), int(lost["last"])
    return (first, last) if first <= last <= HIGHEST else None


# ------------------------------------------------------------------------------------------------ section 7: reading a log

class Log:
    """The segments of one folder. Raises OSError when the folder cannot be read."""

    def __init__(self, directory):
        numbers = []
        for name in os.listdir(directory):
            match = re.fullmatch(r"([1-9][0-9]{0,19})\.wal", name)
            if match and int(match.group(1)) < 1 << 64 and is_file(os.path.join(directory, name)):
                numbers.append(int(match.group(1)))
        self.segments = [Segment(directory, n) for n in sorted(numbers)]
        uids = Counter(s.header.uid for s in self.segments if s.header and not s.too_new)  # in the order of numbers
        uid = max(uids, key=uids.get) if uids else None  # the first of the most frequent
        for s in self.segments:
            s.readable = bool(s.header and not s.too_new and s.header.uid == uid and s.header.number == s.number)
        self.look_ahead()

    def look_ahead(self):
        """What the readable segments with a higher number say about each segment."""
        limit, boots = None, set()
        for s in reversed(self.segments):
            if s.readable:
                s.limit, boot = limit, s.header.boot
                s.power_cut = any(boot) and not boots <= {boot}
                limit = s.header.first if limit is None else min(limit, s.header.first)
                boots.update([boot] if any(boot) else [])

    def walk(self):
        """The records and losses, in order."""
        expected, bad, durable, last_end = 1, [], 0, None

        def missing(first, last, otherwise):
            nonlocal expected
            places = bad[:] or [otherwise]
            bad.clear()
            expected = last + 1
            yield Loss(places[0], first, last)
            for place in places[1:]:
                yield Loss(place, None, None)

        def nothing_missing():
            for place in bad:
                yield Loss(place, None, None)
            bad.clear()

        previous = 0
        for segment in self.segments:
            if segment.number > previous + 1:
                bad.append(Place("%d.wal" % (previous + 1), 0, 0, "damage", None))
            previous = segment.number
            if not segment.readable:
                if segment.too_new:
                    bad.append(segment.place(0, segment.size, "too-new"))
                elif segment is not self.segments[-1] or segment.header or not segment.is_unborn():
                    bad.append(segment.place(0, segment.size))
                continue
            header, limit = segment.header, segment.limit
            first = header.first if limit is None else min(header.first, limit)
            if first > expected:
                yield from missing(expected, first - 1, segment.place(PAGE, PAGE))
            for place in segment.page_places():
                yield Loss(place, None, None)

            data = segment.data()
            seal, _ = segment.seal()
            bound = seal[0] if seal else header.capacity
            end = min(bound, len(data))
            cut = seal or len(data) < bound
            salt_crc = crc32(header.salt)
            p, stopped, torn = header.first_record, False, False
            for p, head, behind in records(data, header.first_record, end, salt_crc):
                if not head:
                    bad.append(segment.place(p, behind))
                    p = behind
                    continue
                is_event, body_end = head[1] < FIRST_LOG_RECORD, p + 24 + head[4]
                seq = header.first + head[6]
                if seq < expected:
                    bad.append(segment.place(p, body_end))
                    p = behind
                    continue
                if limit is not None and seq >= limit + (not is_event):
                    stopped = True
                    break
                if seq > expected:
                    yield from missing(expected, seq - 1, segment.place(p, p))
                body = body_of(data, p, head)
                if body is not None:
                    yield from nothing_missing()
                    delivered = record(segment, head, seq, body)
                    yield delivered
                    if is_event:
                        expected = seq + 1
                    else:
                        durable = max(durable, durable_mark(delivered))
                        lost = gap(delivered)
                        first, last = lost and numbers(lost) or (0, 0)  # no event has the number 0
                        if first == expected:
                            expected = last + 1
                elif not cut and resynchronise(data, behind, end, salt_crc) is None:
                    torn = True
                    break
                else:
                    yield from nothing_missing()
                    bad.append(segment.place(p, body_end))
                    if is_event:
                        yield from missing(seq, seq, None)
                p = behind

            if not stopped:
                if cut:
                    if p < bound:
                        bad.append(segment.place(p, bound))
                elif torn or any(data[p:p + 8]):
                    bad.append(segment.place(p, up_to_8(last_nonzero(data, p) + 1), "torn"))
                if seal:
                    last = seal[1] if limit is None else min(seal[1], limit - 1)
                    if expected <= last:
                        yield from missing(expected, last, segment.place(p, p))
            last_end = segment.place(p, bound)

        if expected <= durable:
            yield from missing(expected, durable, last_end)
        yield from nothing_missing()

    def highest_mark(self):
        """The highest durable-mark of the log, wherever it stands: a mark may be true though its own place is damaged."""
        highest = 0
        for segment in self.segments:
            if not segment.readable:
                continue
            data, seal = segment.data(), segment.seal()[0]
            end = min(seal[0] if seal else segment.header.capacity, len(data))
            for p, head, _ in records(data, segment.header.first_record, end, crc32(segment.header.salt)):
                body = body_of(data, p, head) if head and head[1] == DURABLE_MARK else None
                if body is not None:
                    highest = max(highest, durable_mark(record(segment, head, 0, body)))
        return highest

    def lines(self):
        """The lines of section 8."""
        durable = self.highest_mark()
        times, named = {}, set()  # the time of the last event of each run; the crash slots that an event stands for
        for item in self.walk():
            if isinstance(item, Loss):
                yield loss_line(item, durable)
                continue
            if item.kind >= FIRST_LOG_RECORD:
                lost = gap(item)
                if lost:
                    yield gap_line(lost)
            elif not item.flags & VOID:
                times[item.segment.header.run] = item.time
                yield event_line(item, named)
        for segment in sorted((s for s in self.segments if s.readable), key=lambda s: s.header.run):
            for slot in segment.slots():
                if (slot.run, slot.slot) not in named:
                    yield slot_line(slot, times)


def is_file(path):
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # Assumed: what is not a file is no segment
    except OSError:
        return False


def up_to_8(offset):
    return (offset + 7) // 8 * 8


def loss_line(loss, durable):
    place, kind = loss.place, loss.place.kind
    fields = []
    if loss.first is not None:
        if kind != "too-new":
            cut = place.segment is not None and place.segment.power_cut
            kind = "unsynced" if cut and durable < loss.first else "damage"
        fields = [("first", loss.first), ("last", loss.last)]
    return '{"lost":%s}' % json_object([("file", string(place.file)), ("offset", place.offset), ("length", place.length),
                                        ("kind", string(kind))] + fields)


def gap_line(lost):
    fields = [(key, lost[key]) for key in ("file", "offset", "length")]
    fields.append(("kind", lost["kind"] if lost["kind"] in LOSSES else '"damage"'))
    if "was" in lost:  # Assumed: as it stands, whatever it says
        fields.append(("was", lost["was"]))
    if numbers(lost):
        fields += [("first", lost["first"]), ("last", lost["last"])]
    return '{"lost":%s}' % json_object(fields)


def event_line(item, named):
    name = EVENTS.get(item.kind)
    fields = decoded(name, item.body) if name else None
    if fields is None:
        name = "malformed" if name else "unknown"
        fields = {"kind": item.kind, "body": '"%s"' % item.body.hex()}
    elif name == "crashed" and "slot" in fields:
        named.add((int(fields.get("run", item.segment.header.run)), int(fields["slot"])))
    front = [("seq", item.seq), ("time", milliseconds(item.time)), ("type", '"%s"' % name)]
    if item.flags & REDACTED:
        front.append(("redacted", "true"))
    return json_object(front + list(fields.items()))


def slot_line(slot, times):
    """A crash slot as an event."""
    time = slot.time if slot.valid and slot.time else times.get(slot.run, slot.wall)
    signal = string(SIGNALS.get(slot.signal) or "signal %d" % slot.signal) if slot.valid and slot.signal else None
    if not slot.valid:
        name, fields = "crashed", [("reason", '"unknown"'), ("foundBy", '"handler"')]
    elif slot.state == 1:
        reason = string_of_bytes(slot.text) if slot.text else signal or '"unknown"'
        found_by = ENUMS["F"][slot.found_by if slot.found_by < len(ENUMS["F"]) else 0]
        name = "crashed"
        fields = [("reason", reason), ("signal", signal), ("pid", slot.pid), ("foundBy", string(found_by))]
    else:
        name, fields = "evidence", [("source", '"signal"'), ("event", '"pending"'), ("cause", signal)]
    front = [("run", slot.run), ("slot", slot.slot), ("time", milliseconds(time)), ("type", string(name))]
    return json_object(front + [f for f in fields if f[1] is not None])


def main(arguments):
    if len(arguments) != 2:
        print("usage: read_log.py SESSION_DIRECTORY", file=sys.stderr)
        return 2
    try:
        log = Log(arguments[1])
    except (OSError, ValueError) as e:
        print("read_log.py: %s" % e, file=sys.stderr)
        return 2
    for line in log.lines():
        sys.stdout.buffer.write(line.encode("utf-8") + b"\n")
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
