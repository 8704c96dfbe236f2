"""Tests of read_log.py, with logs assembled by hand from SPEC.md.

    python3 -m unittest tests/spec/test_read_log.py
"""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from zlib import crc32

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import read_log  # noqa: E402

WALL = 1773568800000 * 10 ** 6
UID, BOOT_A, BOOT_B = b"u" * 16, b"a" * 16, b"b" * 16


# -------------------------------------------------------------------------------------------------------- a tiny writer

def v(n, form=None):
    """varint, in the shortest form or in the one whose first byte is given."""
    if form is None:
        form = n if n < 251 else 251 if n < 1 << 16 else 252 if n < 1 << 32 else 253 if n < 1 << 64 else 254
    return bytes([form]) + (n.to_bytes(2 << (form - 251), "little") if form > 250 else b"")


def z(n):
    return v(2 * n if n >= 0 else -2 * n - 1)


def s(text):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return v(len(data)) + data


def strs(*texts):
    return v(len(texts)) + b"".join(s(t) for t in texts)


def j(data, encoding=0):
    return bytes([encoding]) + s(data)


def f(x):
    return struct.pack("<d", x)


def st(presence, *parts):
    return v(presence) + b"".join(parts)


def pad8(data):
    return data + bytes(-len(data) % 8)


def record(salt, offset, kind, body=b"", delta=0, flags=0, ns=0, length=None):
    high, low = ns >> 32, ns & 0xFFFFFFFF
    rest = struct.pack("<BBhIIII", kind, flags, high, len(body) if length is None else length, crc32(body), delta, low)
    return struct.pack("<I", crc32(salt + struct.pack("<Q", offset) + rest)) + rest + body


class Wal:
    """A segment under construction. Its attributes are the header's fields."""

    def __init__(self, number=1, first=1, run=1, boot=BOOT_A, capacity=16384, run_first=None, **more):
        self.number, self.first, self.run, self.boot, self.capacity = number, first, run, boot, capacity
        self.run_first = number if run_first is None else run_first
        self.version, self.incompatible, self.uid, self.session = 1, 0, UID, b"session"
        self.codec, self.first_record, self.id_length = 0, 4096, None
        self.__dict__.update(more)
        self.salt = struct.pack("<Q", 0x1234567800000000 ^ number)
        self.data = bytearray(capacity)
        self.end, self.delta, self.count = self.first_record, 0, 0
        self.write_header()

    def header(self):
        raw = struct.pack("<8sHHIII16s16s16sQIIQ8sqQQQBBHI64sB255s44s", read_log.MAGIC, self.version, self.first_record,
                          0, self.incompatible, 0, self.uid, b"w" * 16, self.boot, self.number, self.run, 7, self.first,
                          self.salt, WALL, 0, self.capacity, self.run_first, self.codec, 0, 0, 0, b"",
                          len(self.session) if self.id_length is None else self.id_length, self.session, b"")
        return raw + struct.pack("<I", crc32(raw))

    def write_header(self):
        self.data[0:512] = self.data[1024:1536] = self.header()

    def put(self, offset, data):
        self.data[offset:offset + len(data)] = data
        return self

    def add(self, kind, body=b"", delta=None, flags=0, ns=0):
        """Adds a record; returns its offset. The delta counts by itself unless it is given."""
        if delta is None:
            delta = self.delta
        at = self.end
        raw = record(self.salt, at, kind, body, delta, flags, ns)
        self.put(at, raw)
        self.end = at + len(pad8(raw))
        if kind < 224:
            self.delta, self.count = delta + 1, self.count + 1
        return at

    def note(self, name="n", **more):
        return self.add(13, st(0, s(name)), **more)

    def notes(self, count):
        return [self.note() for _ in range(count)]

    def mark(self, seq):
        return self.add(240, struct.pack("<Q", seq))

    def seal(self, last=None, end=None):
        raw = struct.pack("<8sQQQ28s", b"TWALSEAL", self.count, self.first - 1 + self.delta if last is None else last,
                          self.end if end is None else end, b"")
        return self.put(512, raw + struct.pack("<I", crc32(self.salt + raw)))

    def slot(self, n, state=1, signal=0, text=b"", ns=0, found_by=0, pid=9, version=1, length=None, good=True):
        raw = struct.pack("<BBBBiiIQqQIH14s448s", version, found_by, state, 0, signal, 0, pid, 0, ns, 0, 0,
                          len(text) if length is None else length, b"", text)
        return self.put(2048 + 512 * n, raw + struct.pack("<I", crc32(self.salt + struct.pack("<I", n) + raw) ^ (not good)))

    def claim(self, k):
        return self.put(2040, struct.pack("<I", k * 0x01010101))

    def flip(self, offset):
        self.data[offset] ^= 0x40
        return self


def read(*segments, **files):
    """The lines for some segments; other files by their names, with `_` for the dot."""
    with tempfile.TemporaryDirectory() as folder:
        for segment in segments:
            files["%d_wal" % segment.number] = bytes(segment.data)
        for name, data in files.items():
            with open(os.path.join(folder, name.replace("_", ".")), "wb") as out:
                out.write(data)
        lines = list(read_log.Log(folder).lines())
    for line in lines:
        json.loads(line)
    return lines


def lost(file, offset, length, kind="damage", first=None, last=None):
    numbers = "" if first is None else ',"first":%d,"last":%d' % (first, last)
    return '{"lost":{"file":"%s","offset":%d,"length":%d,"kind":"%s"%s}}' % (file, offset, length, kind, numbers)


def note(seq, name="n"):
    return '{"seq":%d,"time":1773568800000,"type":"note","name":"%s"}' % (seq, name)


def notes(first, last):
    return [note(n) for n in range(first, last + 1)]


class Case(unittest.TestCase):
    maxDiff = None

    def check(self, lines, *expected):
        flat = []
        for e in expected:
            flat += e if isinstance(e, list) else [e]
        self.assertEqual(lines, flat)

    def one(self, kind, body, **more):
        """What stands behind the type of a single event."""
        w = Wal(capacity=(len(body) + 16384) // 8 * 8)
        w.add(kind, body, **more)
        line, = read(w)
        return line

    def event(self, kind, name, body, rest):
        self.assertEqual(self.one(kind, body), '{"seq":1,"time":1773568800000,"type":"%s"%s}' % (name, rest))

    def malformed(self, kind, body):
        self.event(kind, "malformed", body, ',"kind":%d,"body":"%s"' % (kind, body.hex()))


# ------------------------------------------------------------------------------------------------------------------ events

META = st(0x3FF, s("t"), s("m"), s("p"), s("a"), s("v"), s("q"), s("u"), s("e"), s("w"), strs("x", "y"))
META_KEYS = ('"title":"t","model":"m","providerId":"p","agent":"a","variant":"v","prompt":"q","userId":"u",'
             '"environment":"e","version":"w","tags":["x","y"]')
MODEL, MODEL_JSON = st(7, s("mi"), s("pi"), s("va")), '{"modelId":"mi","providerId":"pi","variant":"va"}'
TOKENS = st(0, v(1), v(250), v(251), v(65536), v(2 ** 64 - 1))
TOKENS_JSON = '{"input":1,"output":250,"reasoning":251,"cacheRead":65536,"cacheWrite":18446744073709551615}'


class Events(Case):
    def test_minimal(self):
        for kind, name, body, rest in (
            (1, "session-started", st(0), ""),
            (1, "session-started", st(8, st(0)), ',"metadata":{}'),
            (2, "run-started", st(0, v(7)), ',"pid":7'),
            (3, "run-ended", st(0, b"\1"), ',"reason":"stdin-end"'),
            (4, "metadata", st(0), ""),
            (5, "span-started", st(0, s("i"), b"\2", s("n")), ',"spanId":"i","kind":"generation","name":"n"'),
            (6, "span-text", st(0, s("i"), j('"x"')), ',"spanId":"i","text":"x"'),
            (7, "span-attributes", st(0, s("i"), j("{}")), ',"spanId":"i","attributes":{}'),
            (8, "span-ended", st(0, s("i")), ',"spanId":"i"'),
            (9, "span", st(0, s("i"), b"\0", s("n"), z(0), z(-1)),
             ',"spanId":"i","kind":"span","name":"n","startTime":0,"endTime":-0.000001'),
            (10, "lifecycle-begun", st(0, s("a"), s("k")), ',"actionId":"a","kind":"k"'),
            (11, "lifecycle-ended", st(0, s("a")), ',"actionId":"a"'),
            (12, "evidence", st(0, s("a"), s("e")), ',"source":"a","event":"e"'),
            (13, "note", st(0, s("a")), ',"name":"a"'),
            (14, "session-ended", st(0, b"\1"), ',"status":"error"'),
            (15, "crashed", st(0, s("r")), ',"reason":"r"'),
        ):
            with self.subTest(name):
                self.event(kind, name, body, rest)

    def test_full(self):
        span = (s("par"), MODEL, j("[1, 2]"), j('{"a": 1}'), s("call"))
        span_keys = '"parentSpanId":"par","model":%s,"input":[1,2],"attributes":{"a":1},"callId":"call"' % MODEL_JSON
        ending = (b"\1", s("sm"), s("fr"), TOKENS, f(0.015), j("null"))
        ending_keys = '"status":"error","statusMessage":"sm","finishReason":"fr","tokens":%s,"cost":0.015,"output":null' \
            % TOKENS_JSON
        for kind, name, body, rest in (
            (1, "session-started", st(31, s("t"), s("r"), s("n"), META, strs()),
             '"traceId":"t","rootSpanId":"r","name":"n","metadata":{%s},"scopes":[]' % META_KEYS),
            (2, "run-started", st(63, v(2 ** 32 - 1), v(5), s("b"), v(6), s("h"), s("e"), s("r")),
             '"pid":4294967295,"startTimeTicks":5,"bootId":"b","pidNamespace":6,"host":"h","exe":"e","reason":"r"'),
            (4, "metadata", META, META_KEYS),
            (5, "span-started", st(31, s("i"), b"\5", s("n"), *span),
             '"spanId":"i","kind":"user-message","name":"n",' + span_keys),
            (8, "span-ended", st(255, s("i"), *ending, j("{}"), z(1500000)),
             '"spanId":"i",%s,"attributes":{},"durationMs":1.5' % ending_keys),
            (9, "span", st(4095, s("i"), b"\3", s("n"), z(10 ** 6), z(2 * 10 ** 6), *span, *ending, z(-3 * 10 ** 6)),
             '"spanId":"i","kind":"tool","name":"n","startTime":1,"endTime":2,%s,%s,"durationMs":-3'
             % (span_keys, ending_keys)),
            (10, "lifecycle-begun", st(15, s("a"), s("k"), strs("s"), st(3, s("so"), s("op"), s("re")), s("p"), s("q")),
             '"actionId":"a","kind":"k","scopes":["s"],"origin":{"source":"so","operation":"op","reason":"re"},'
             '"parentActionId":"p","request":"q"'),
            (12, "evidence", st(4095, s("so"), s("ev"), s("at"), b"\1", s("ca"), s("ph"), s("to"), s("ef"), b"\1", v(503),
                                b"\1", b"\0", st(7, s("n"), s("c"), s("m")), z(7)),
             '"source":"so","event":"ev","attemptId":"at","terminal":true,"cause":"ca","phase":"ph","tool":"to",'
             '"effect":"ef","output":"reasoning","httpStatus":503,"watchdog":"silent-stream","retryable":false,'
             '"error":{"name":"n","code":"c","message":"m"},"monotonic":0.000007'),
            (13, "note", st(1, s("a"), j(" [ ] ")), '"name":"a","data":[]'),
            (14, "session-ended", st(3, b"\0", s("e"), s("a")), '"status":"completed","error":"e","actionId":"a"'),
            (15, "crashed", st(255, s("r"), s("SIGABRT"), st(1, s("t"), s("m"), s("st")), v(1), b"\3", z(0), v(2), v(0),
                               s("a")),
             '"reason":"r","signal":"SIGABRT","exception":{"type":"t","message":"m","stack":"st"},"pid":1,'
             '"foundBy":"recovery","foundTime":0,"run":2,"slot":0,"actionId":"a"'),
        ):
            with self.subTest(name):
                self.event(kind, name, body, "," + rest)

    def test_each_optional_field_alone(self):
        self.event(12, "evidence", st(1 << 7, s("a"), s("b"), v(200)), ',"source":"a","event":"b","httpStatus":200')
        self.event(1, "session-started", st(16, strs("x")), ',"scopes":["x"]')
        self.event(15, "crashed", st(1 << 6, s("r"), v(3)), ',"reason":"r","slot":3')

    def test_newer_fields(self):
        self.event(11, "lifecycle-ended", st(1 | 1 << 63, s("a"), s("new"), s("")), ',"actionId":"a"')
        self.event(13, "note", st(6, s("a"), s("new"), s("newer")), ',"name":"a"')
        self.event(1, "session-started", st(8, st(1 << 10 | 1, s("t"), s("new"))), ',"metadata":{"title":"t"}')
        self.malformed(11, st(1, s("a")))
        self.malformed(11, st(1, s("a"), v(5), b"four"))

    def test_enum_beyond_the_list(self):
        self.event(3, "run-ended", st(0, b"\x09"), ',"reason":"closed"')
        self.event(3, "run-ended", st(0, b"\xff"), ',"reason":"closed"')

    def test_varint_forms(self):
        for form, bits in ((None, 0), (251, 16), (252, 32), (253, 64), (254, 128)):
            for width, kind, body, name, rest in (
                (32, 2, st(0, v(7, form)), "run-started", ',"pid":7'),
                (16, 12, st(1 << 7, s("a"), s("b"), v(200, form)), "evidence", ',"source":"a","event":"b","httpStatus":200'),
                (64, 11, v(0, form) + v(1, form) + b"a", "lifecycle-ended", ',"actionId":"a"'),
                (64, 12, st(1 << 11, s("a"), s("b"), v(2, form)), "evidence", ',"source":"a","event":"b","monotonic":0.000001'),
                (128, 9, st(0, s(""), b"\0", s(""), v(0, form), z(0)), "span",
                 ',"spanId":"","kind":"span","name":"","startTime":0,"endTime":0'),
            ):
                with self.subTest((form, width)):
                    if bits <= width:
                        self.event(kind, name, body, rest)
                    else:
                        self.malformed(kind, body)
        self.malformed(2, st(0, v(2 ** 32)))
        self.malformed(2, st(0, v(2 ** 64)))
        self.malformed(2, st(0, b"\xff"))
        self.malformed(2, st(0, b"\xfb\x01"))
        self.malformed(12, st(1 << 7, s("a"), s("b"), v(65536)))
        self.malformed(12, st(1 << 11, s("a"), s("b"), v(2 ** 64)))
        self.malformed(1, v(1 << 64))
        self.event(9, "span", st(0, s(""), b"\0", s(""), v(2 ** 128 - 1), v(2 ** 128 - 2)),
                   ',"spanId":"","kind":"span","name":"","startTime":-1%s,"endTime":1%s' % ("0" * 24, "0" * 24))

    def test_malformed(self):
        self.malformed(13, b"")
        self.malformed(13, st(0, s("a")) + b"\0")
        self.malformed(13, st(0, s(b"\xff")))
        self.malformed(13, st(0, s(b"\xed\xa0\x80")))
        self.malformed(13, st(0, v(2 ** 63), b"a"))
        self.malformed(13, st(1, s("a"), b"\0"))
        self.malformed(8, st(16, s("a"), b"1234567"))
        self.malformed(12, st(2, s("a"), s("b"), b"\2"))
        self.malformed(1, st(16, v(2 ** 64 - 1), s("a")))
        self.event(99, "unknown", b"\1\xfe", ',"kind":99,"body":"01fe"')
        self.event(223, "unknown", b"", ',"kind":223,"body":""')

    def test_flags(self):
        w = Wal()
        w.note(flags=2)
        w.note(flags=1)
        w.add(13, (10 ** 15 + 1).to_bytes(16, "little") + st(0, s("x")), flags=6, ns=5)
        w.add(77, (-10 ** 35).to_bytes(16, "little", signed=True) + b"x", flags=6)
        w.note(flags=0xF8)
        self.check(read(w),
                   '{"seq":1,"time":1773568800000,"type":"note","redacted":true,"name":"n"}',
                   '{"seq":3,"time":1000000000.000001,"type":"note","redacted":true,"name":"x"}',
                   '{"seq":4,"time":-1%s,"type":"unknown","redacted":true,"kind":77,"body":"78"}' % ("0" * 24),
                   note(5))

    def test_explicit_time_that_does_not_fit(self):
        w = Wal()
        w.note()
        at = w.add(13, bytes(15), flags=4)
        w.add(11, bytes(16), flags=4)
        self.check(read(w), note(1), lost("1.wal", at, 40, first=2, last=2),
                   '{"seq":3,"time":0,"type":"malformed","kind":11,"body":""}')

    def test_times(self):
        for ns, text in ((123457, "1773568800000.1235"), (-1, "1773568800000"), (-10 ** 6, "1773568799999"),
                         ((1 << 47) - 1, "1773709537488.3552"), (-1 << 47, "1773428062511.6448"),
                         (500000, "1773568800000.5")):
            line = self.one(11, st(0, s("a")), ns=ns)
            self.assertEqual(line, '{"seq":1,"time":%s,"type":"lifecycle-ended","actionId":"a"}' % text)
        for ns, text in ((1, "0.000001"), (-1, "-0.000001"), (10 ** 6 * (2 ** 53 + 1), "9007199254740993"),
                         (10 ** 30 - 1, "1e+24"), (10 ** 27 - 1, "1e+21"), (10 ** 26 - 1, "100000000000000000000"),
                         (0, "0"), (-10 ** 6, "-1")):
            self.assertEqual(read_log.milliseconds(ns), text)

    def test_numbers(self):
        for x, text in ((3.0, "3"), (0.015, "0.015"), (1e-7, "1e-7"), (1e21, "1e+21"), (-0.0, "0"), (float("nan"), "0"),
                        (float("-inf"), "0"), (1e20, "100000000000000000000"), (123456789012345680000.0,
                        "123456789012345680000"), (1e-6, "0.000001"), (1.5e-7, "1.5e-7"), (5e-324, "5e-324"),
                        (-2.5, "-2.5"), (1.7976931348623157e308, "1.7976931348623157e+308"), (0.1 + 0.2, "0.30000000000000004"),
                        (1e16, "10000000000000000"), (123.456, "123.456"), (-1.25e25, "-1.25e+25"), (100.0, "100")):
            self.event(8, "span-ended", st(16, s("i"), f(x)), ',"spanId":"i","cost":%s' % text)

    def test_strings(self):
        self.event(11, "lifecycle-ended", st(0, s('"\\\b\t\n\f\r\0\x1f\x7f\u2028é😀/')),
                   ',"actionId":"\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\u2028é😀/"')


class Json(Case):
    def data(self, bytes_, encoding=0):
        prefix = '{"seq":1,"time":1773568800000,"type":"note","name":"a","data":'
        line = self.one(13, st(1, s("a"), j(bytes_, encoding)))
        self.assertTrue(line.startswith(prefix))
        return line[len(prefix):-1]

    def test_valid(self):
        for text, expected in (
            ('{"a" : [ 1 , -0.5e+10,\t1E400, true,\r\nfalse ,null ] , "b":{ } }',
             '{"a":[1,-0.5e+10,1E400,true,false,null],"b":{}}'),
            ('" a\\u00e9\\ud800\\"\\\\\\/ "', '" a\\u00e9\\ud800\\"\\\\\\/ "'),
            ('{"a":1,"a":2}', '{"a":1,"a":2}'), ("-0", "-0"), (" 1 ", "1"), ('""', '""'), ("é".join('""'), '"é"'),
            ("[" * 512 + "]" * 512, "[" * 512 + "]" * 512), ('{"a":' * 512 + "1" + "}" * 512,) * 2,
            ("[\n" + "1,\n" * 2000 + "1]", "[" + "1," * 2000 + "1]"),
            ('"' + "\\n" * 5000 + "x" * 1000 + '"',) * 2,
        ):
            self.assertEqual(self.data(text), expected)

    def test_invalid(self):
        for text in ("", " ", "01", "1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "nul", "truefalse", "1 2", "[1,]",
                     "[,1]", "[1",
                     "]", "}", "[}", "{]", "{", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '{"a" 1}', '{,}', ":", ",", "[1:2]",
                     '"', '"a', '"\\', '"\\x"', '"\\u12g4"', '"\t"', '"\\\t"', "'a'", "\ufeff1", "[1]x", "\v1", "1\0",
                     '{"a":1 "b":2}', '[1 2]', "[" * 513 + "]" * 513, "[" * 100000, '{"a":' * 100000, "//", "[[]", "[]]",
                     "1\u00a0", "\u0661"):
            self.assertEqual(self.data(text), read_log.string(text))

    def test_not_utf8(self):
        for data, expected in ((b"\xff", "\ufffd"), (b'"\xc3"', '\\"\ufffd\\"'), (b"\xf0\x9f\x98a", "\ufffda"),
                               (b"\xed\xa0\x80", "\ufffd" * 3), (b"\xc0\xaf", "\ufffd" * 2), (b"\xe2\x82", "\ufffd"),
                               (b"\xf4\x90\x80\x80", "\ufffd" * 4)):
            self.assertEqual(self.data(data), '"%s"' % expected)
            self.assertEqual(self.data(data, 1), '"%s"' % expected)

    def test_encodings(self):
        for encoding in (1, 2, 3, 255):
            self.assertEqual(self.data(' {"a"\n}', encoding), '" {\\"a\\"\\n}"')

    def test_text(self):
        for data, encoding, expected in (('"a\\u0041\\/"', 0, '"a\\u0041\\/"'), ("a", 0, '"a"'), ("1", 0, '"1"'),
                                         ('{"a": 1}', 0, '"{\\"a\\": 1}"'), ('"a"', 1, '"\\"a\\""'), ('"a', 0, '"\\"a"'),
                                         ('\n "a b" ', 0, '"a b"'), (' "a', 0, '" \\"a"'),
                                         ("", 0, '""'), (b'"\xff"', 0, '"\\"\ufffd\\""'), ("", 1, '""')):
            self.event(6, "span-text", st(0, s("i"), j(data, encoding)), ',"spanId":"i","text":' + expected)

    def test_time_is_linear(self):
        start = time.monotonic()
        for text in (" " * 3000000 + "x", '"' + "\\\\" * 1500000, "[" * 3000000, '"' + "a" * 3000000, "1" * 3000000 + "x",
                     '"a"' * 500000):
            self.assertIsNone(read_log.minified(text))
        self.assertLess(time.monotonic() - start, 20)


# ---------------------------------------------------------------------------------------------------------------- segments

class Segments(Case):
    def test_empty(self):
        self.check(read())
        self.check(read(Wal()))
        self.check(read(Wal().seal()))

    def test_two_segments(self):
        a, b = Wal(), Wal(2, 4, run_first=1)
        a.notes(3), b.notes(2)
        self.check(read(a.seal(), b), notes(1, 5))
        self.check(read(a.seal(), b.seal()), notes(1, 5))
        self.check(read(b, a, other_wal=b"x", **{"01_wal": b"x", "0_wal": b"x", "1_wal_tmp": b"x", "+3_wal": b"x"}),
                   notes(1, 5))

    def test_first_record_elsewhere(self):
        w = Wal(first_record=8192)
        w.note()
        self.check(read(w), note(1))

    def test_missing_file(self):
        a, b = Wal(2), Wal(4, 5)
        a.notes(2), b.note()
        self.check(read(a.seal(), b), lost("1.wal", 0, 0), notes(1, 2), lost("3.wal", 0, 0, first=3, last=4), note(5))

    def test_pruned_front(self):
        a = Wal(3, 10)
        a.note()
        self.check(read(a), lost("1.wal", 0, 0, first=1, last=9), note(10))

    def test_first_above_next(self):
        a, b = Wal(), Wal(2, 5)
        a.notes(3), b.note()
        self.check(read(a.seal(), b), notes(1, 3), lost("2.wal", 4096, 0, first=4, last=4), note(5))

    def test_huge_hole(self):
        a = Wal(2 ** 64 - 1)
        a.note()
        self.check(read(a), lost("1.wal", 0, 0), note(1))
        b = Wal(7)
        b.note()
        a = Wal(2 ** 64 - 1, 2)
        a.note()
        self.check(read(a, b), lost("1.wal", 0, 0), note(1), lost("8.wal", 0, 0), note(2))

    def test_header_copy(self):
        a = Wal().flip(20)
        a.note()
        self.check(read(a), lost("1.wal", 0, 512), note(1))
        a = Wal().flip(1024 + 300)
        a.note()
        self.check(read(a), lost("1.wal", 1024, 512), note(1))

    def test_header_page_places_in_order(self):
        a = Wal().flip(0).flip(2040).seal().flip(575)
        a.note()
        self.check(read(a), lost("1.wal", 0, 512), lost("1.wal", 512, 64), lost("1.wal", 2040, 4), note(1))

    def test_header_page_is_reported_at_once(self):
        a, b = Wal().flip(300), Wal(2, 1, uid=b"x" * 16)
        c = Wal(3, 3).flip(1024)
        c.note(delta=1)
        at = 4096
        self.check(read(a, b, c), lost("1.wal", 0, 512), lost("2.wal", 0, 16384, first=1, last=2),
                   lost("3.wal", 1024, 512), lost("3.wal", at, 0, first=3, last=3), note(4))
        b, c = Wal(2, 1, uid=b"x" * 16), Wal(3, 1).flip(1024)
        c.note()
        self.check(read(a, b, c), lost("1.wal", 0, 512), lost("3.wal", 1024, 512), lost("2.wal", 0, 16384), note(1))

    def test_first_above_the_limit(self):
        a, b, c = Wal(), Wal(2, 6), Wal(3, 4)
        a.notes(2), b.notes(2), c.notes(2)
        self.check(read(a, b, c), notes(1, 2), lost("2.wal", 4096, 0, first=3, last=3), notes(4, 5))

    def test_unreadable(self):
        a, b, c = Wal(), Wal(2, 3), Wal(3, 5)
        for w in (a, b, c):
            w.notes(2)
            w.seal()
        self.check(read(a, b.flip(0).flip(1024), c), notes(1, 2), lost("2.wal", 0, 16384, first=3, last=4), notes(5, 6))
        b = Wal(2, 3, uid=b"x" * 16)
        self.check(read(a, b, c), notes(1, 2), lost("2.wal", 0, 16384, first=3, last=4), notes(5, 6))
        b = Wal(2, 3)
        b.number = 9
        b.write_header()
        b.number = 2
        self.check(read(a, b, c), notes(1, 2), lost("2.wal", 0, 16384, first=3, last=4), notes(5, 6))
        self.check(read(a, c, **{"2_wal": b""}), notes(1, 2), lost("2.wal", 0, 0, first=3, last=4), notes(5, 6))

    def test_invalid_header_fields(self):
        for more in ({"first_record": 4100}, {"first_record": 4088}, {"first": 0}, {"first": 2 ** 62 + 1}, {"id_length": 0},
                     {"session": b"\xff"}, {"version": 0}):
            a, b = Wal(**more), Wal(2, 2)
            b.note()
            self.check(read(a, b), lost("1.wal", 0, 16384, first=1, last=1), note(2))

    def test_session_uid_tie(self):
        a, b = Wal(uid=b"x" * 16), Wal(2, 2)
        a.note(), b.note()
        self.check(read(a, b), note(1), lost("2.wal", 0, 16384))
        c = Wal(3, 3)
        c.note()
        self.check(read(a, b, c), lost("1.wal", 0, 16384, first=1, last=1), notes(2, 3))

    def test_too_new(self):
        for more in ({"version": 2}, {"incompatible": 1}, {"codec": 1}):
            a, b, c = Wal(), Wal(2, 3, **more), Wal(3, 5)
            a.notes(2), b.notes(2), c.note()
            self.check(read(a, b, c), notes(1, 2), lost("2.wal", 0, 16384, "too-new", 3, 4), note(5))
            self.check(read(a, b), notes(1, 2), lost("2.wal", 0, 16384, "too-new"))

    def test_too_new_is_looked_at_first(self):
        a = Wal()
        a.note()
        for more in ({"uid": b"x" * 16}, {"first": 0}, {"id_length": 0}, {"session": b"\xff"}, {"first_record": 1}):
            for new in ({"version": 2}, {"incompatible": 1 << 31}):
                self.check(read(a, Wal(2, **{"first": 2, **more, **new})), note(1), lost("2.wal", 0, 16384, "too-new"))
        b = Wal(9, version=2)
        b.number = 2
        self.check(read(a, b), note(1), lost("2.wal", 0, 16384, "too-new"))
        self.check(read(a, Wal(2, incompatible=1).flip(0)), note(1), lost("2.wal", 0, 16384, "too-new"))
        new = [Wal(n, incompatible=1, uid=b"x" * 16) for n in (2, 3)]
        self.check(read(a, *new), note(1), *[lost("%d.wal" % n, 0, 16384, "too-new") for n in (2, 3)])

    def test_copy_that_is_too_new(self):
        a = Wal()
        a.note()
        for more in ({"version": 2}, {"incompatible": 1}, {"codec": 1}):
            self.check(read(a.put(1024, Wal(**more).header())), lost("1.wal", 1024, 512), note(1))

    def test_unborn(self):
        a = Wal()
        a.note()
        whole = bytes(Wal(2, 2).data)
        for data in (b"", bytes(16384), whole[:100], whole[:511], whole[:500] + bytes(10000)):
            self.check(read(a, **{"2_wal": data}), note(1))
        self.check(read(a, **{"2_wal": b"x" * 2040 + bytes(5000)}), note(1))
        for size in (2040, 5000):
            self.check(read(a, **{"2_wal": bytes(size) + b"x"}), note(1), lost("2.wal", 0, size + 1))
        self.check(read(**{"1_wal": b""}))

    def test_superseded(self):
        a, b = Wal(), Wal(2, 3, run=2)
        a.notes(2)
        a.note("old")
        a.note("old")
        b.notes(3)
        self.check(read(a, b), notes(1, 5))
        self.check(read(a.seal(), b), notes(1, 5))
        a.flip(a.end - 1)
        self.check(read(a, b), notes(1, 5))

    def test_superseded_log_record_at_the_limit(self):
        a, b = Wal(), Wal(2, 3)
        a.notes(2)
        a.mark(2)
        a.note("old")
        b.note()
        self.check(read(a, b), notes(1, 3))

    def test_wholly_superseded(self):
        a, b, c = Wal(), Wal(2, 6), Wal(3, 3)
        a.notes(5), b.notes(2), c.notes(6)
        self.check(read(a, b, c), notes(1, 8))
        self.check(read(a.seal(), b.seal(), c.seal()), notes(1, 8))

    def test_superseded_loses_a_record_before_the_limit(self):
        a, b = Wal(), Wal(2, 3)
        a.notes(2)
        at = [a.note("old") for _ in range(2)]
        b.note()
        self.check(read(a.flip(at[0] - 8), b), note(1), lost("1.wal", at[0] - 32, 27, first=2, last=2), note(3))


class Damage(Case):
    def test_torn_tail(self):
        a = Wal()
        a.notes(2)
        end = a.end
        a.note("torn record")
        a.data[end + 30:] = bytes(len(a.data) - end - 30)
        self.check(read(a), notes(1, 2), lost("1.wal", end, 32, "torn"))  # its header checks, its body does not
        a.flip(end)
        self.check(read(a), notes(1, 2), lost("1.wal", end, 32, "torn"))
        b = Wal(2, 3)
        b.note()
        self.check(read(a, b), notes(1, 2), lost("1.wal", end, 32, "torn"), note(3))
        b = Wal(2, 4)
        b.note()
        self.check(read(a, b), notes(1, 2), lost("1.wal", end, 32, "damage", 3, 3), note(4))

    def test_append_that_was_cut_off(self):
        def log(**change):
            a = Wal()
            a.notes(2)
            at = a.note("cut off")
            return at, a.flip(at + 26)
        at, a = log()
        self.check(read(a), notes(1, 2), lost("1.wal", at, 40, "torn"))
        b = Wal(2, 4)
        b.note()
        self.check(read(a, b), notes(1, 2), lost("1.wal", at, 40, first=3, last=3), note(4))
        self.check(read(a.put(at + 48, b"x")), notes(1, 2), lost("1.wal", at, 56, "torn"))
        at, a = log()
        del a.data[-1:]
        self.check(read(a), notes(1, 2), lost("1.wal", at, 33, first=3, last=3), lost("1.wal", a.end, 16384 - a.end))
        at, a = log()
        self.check(read(a.seal()), notes(1, 2), lost("1.wal", at, 33, first=3, last=3))
        at, a = log()
        self.check(read(a.put(a.end, bytes(4096)).put(a.end, b"x")), notes(1, 2), lost("1.wal", at, 48, "torn"))
        at, a = log()
        a.end += 512
        a.note()
        self.check(read(a), notes(1, 2), lost("1.wal", at, 33, first=3, last=3), lost("1.wal", at + 40, 512), note(4))

    def test_mark_that_was_cut_off(self):
        a = Wal()
        a.note()
        at = a.mark(1)
        self.check(read(a.flip(at + 24)), note(1), lost("1.wal", at, 32, "torn"))

    def test_unpublished(self):
        a = Wal()
        a.notes(2)
        end = a.end
        a.note("unpublished")
        a.put(end, bytes(8))
        self.check(read(a), notes(1, 2))
        a.note()  # and something valid behind it
        self.check(read(a), notes(1, 2), lost("1.wal", end, 40, first=3, last=3), note(4))

    def test_damaged_header_and_body(self):
        a = Wal()
        at = a.notes(5)
        self.assertEqual(at[1] - at[0], 32)
        self.check(read(a.flip(at[1])), note(1), lost("1.wal", at[1], 32, first=2, last=2), notes(3, 5))
        self.check(read(a.flip(at[2] + 25)), note(1), lost("1.wal", at[1], 32, first=2, last=2),
                   lost("1.wal", at[2], 27, first=3, last=3), notes(4, 5))
        self.check(read(a.flip(at[4] + 25)), note(1), lost("1.wal", at[1], 32, first=2, last=2),
                   lost("1.wal", at[2], 27, first=3, last=3), note(4), lost("1.wal", at[4], 32, "torn"))

    def test_damaged_body_behind_a_place(self):
        a = Wal()
        a.note()
        mark = a.mark(1)
        at = a.notes(2)
        self.check(read(a.flip(mark).flip(at[0] + 25)), note(1), lost("1.wal", mark, 32),
                   lost("1.wal", at[0], 27, first=2, last=2), note(3))

    def test_damaged_log_record(self):
        a = Wal()
        a.note()
        at = a.mark(1)
        a.note()
        self.check(read(a.flip(at + 24)), note(1), lost("1.wal", at, 32), note(2))

    def test_several_places_before_missing_events(self):
        a = Wal()
        at = a.notes(2)
        mark = a.mark(2)
        bad = a.note()
        a.note()
        self.check(read(a.flip(mark + 24).flip(bad)), notes(1, 2), lost("1.wal", mark, 32, first=3, last=3),
                   lost("1.wal", bad, 32), note(4))
        self.assertEqual(len(at), 2)

    def test_missing_without_a_place(self):
        a = Wal()
        a.note()
        at = a.note(delta=4)
        self.check(read(a), note(1), lost("1.wal", at, 0, first=2, last=4), note(5))
        a = Wal()
        at = a.add(240, struct.pack("<Q", 0), delta=2)
        a.note(delta=2)
        self.check(read(a), lost("1.wal", at, 0, first=1, last=2), note(3))

    def test_sequence_goes_back(self):
        a = Wal()
        a.notes(3)
        at = a.note(delta=1)
        mark = a.add(240, struct.pack("<Q", 3), delta=0)
        a.note(delta=3)
        self.check(read(a), notes(1, 3), lost("1.wal", at, 27), lost("1.wal", mark, 32), note(4))

    def test_body_that_ends_behind_the_file(self):
        a = Wal()
        a.note()
        at = a.end
        a.put(at, record(a.salt, at, 13, st(0, s("x")), 1, length=2 ** 30))
        self.check(read(a), note(1), lost("1.wal", at, 32, "torn"))

    def test_wrong_offset(self):
        a = Wal()
        a.note()
        at = a.end
        a.put(at, record(a.salt, at + 8, 13, st(0, s("x")), 1))
        self.check(read(a), note(1), lost("1.wal", at, 32, "torn"))

    def test_sealed(self):
        a, b = Wal(), Wal(2, 4)
        at = a.notes(3)
        b.note()
        a.seal()
        self.check(read(a.flip(at[2]), b), notes(1, 2), lost("1.wal", at[2], 32, first=3, last=3), note(4))
        self.check(read(a), notes(1, 2), lost("1.wal", at[2], 32, first=3, last=3))
        a = Wal()
        a.notes(2)
        self.check(read(a.seal(last=4)), notes(1, 2), lost("1.wal", a.end, 0, first=3, last=4))
        self.check(read(a.seal(last=9), b), notes(1, 2), lost("1.wal", a.end, 0, first=3, last=3), note(4))
        self.check(read(a.seal(end=a.end - 5)), notes(1, 2))  # the end of the body is as good as the padded one
        self.check(read(a.seal(end=16385)), lost("1.wal", 512, 64), notes(1, 2))
        self.check(read(a.seal(end=4088)), lost("1.wal", 512, 64), notes(1, 2))
        self.check(read(a.seal(last=2 ** 63 + 1)), lost("1.wal", 512, 64), notes(1, 2))
        self.check(read(a.seal(last=2 ** 63)), notes(1, 2), lost("1.wal", a.end, 0, first=3, last=2 ** 63))

    def test_bytes_behind_the_seals_end(self):
        a = Wal()
        a.notes(2)
        a.seal()
        a.note()
        self.check(read(a), notes(1, 2))

    def test_truncated(self):
        a = Wal()
        at = a.notes(3)
        whole = bytes(a.data)
        for size, expected in (
            (16383, notes(1, 3) + [lost("1.wal", a.end, 16384 - a.end)]),
            (at[2] + 26, notes(1, 2) + [lost("1.wal", at[2], 16384 - at[2])]),
            (at[2] + 20, notes(1, 2) + [lost("1.wal", at[2], 16384 - at[2])]),
            (at[2] + 27, notes(1, 3) + [lost("1.wal", a.end, 16384 - a.end)]),
            (4096, [lost("1.wal", 4096, 12288)]),
            (1536, [lost("1.wal", 4096, 12288)]),
            (1535, [lost("1.wal", 1024, 512), lost("1.wal", 4096, 12288)]),
            (512, [lost("1.wal", 1024, 512), lost("1.wal", 4096, 12288)]),
            (511, []),
        ):
            with self.subTest(size):
                a.data = bytearray(whole[:size])
                self.check(read(a), expected)

    def test_full_to_the_last_bytes(self):
        a = Wal(capacity=4096 + 32 + 16)
        a.note()
        self.check(read(a), note(1))
        self.check(read(a.put(4096 + 32, b"x")), note(1), lost("1.wal", 4128, 8, "torn"))
        a = Wal(capacity=4096 + 27)
        a.note()
        self.check(read(a), note(1))

    def test_long_zeros_and_long_garbage(self):
        a = Wal(capacity=40 << 20)
        a.note()
        hole = a.end
        a.end += 30 << 20
        a.note()
        start = time.monotonic()
        self.check(read(a), note(1), lost("1.wal", hole, 30 << 20), note(2))
        self.assertLess(time.monotonic() - start, 5)
        a.put(hole, random.Random(1).getrandbits(8 << 20).to_bytes(1 << 20, "little") * 30)
        start = time.monotonic()
        self.check(read(a), note(1), lost("1.wal", hole, 30 << 20), note(2))
        self.assertLess(time.monotonic() - start, 30)

    def test_resynchronising_at_every_distance(self):
        for distance in (8, 16, 512, 520, 65536, 65544, 65536 * 2, 65536 * 2 + 8, 131072 + 1024):
            a = Wal(capacity=300000)
            a.put(4096, b"x" * distance)
            a.end += distance
            a.note()
            self.check(read(a), lost("1.wal", 4096, distance), note(1))
        a = Wal(capacity=4096 + 800 + 27)
        a.put(4096, b"x" * 800)
        a.end += 800
        a.note()
        self.check(read(a), lost("1.wal", 4096, 800), note(1))


def gap_body(first, last, kind="torn", was=None):
    return st(was is not None, v(first), v(last), s("1.wal"), v(4096), v(64), s(kind), s(was) if was is not None else b"")


class LogRecords(Case):
    GAP = '{"lost":{"file":"1.wal","offset":4096,"length":64,"kind":"torn","first":1,"last":3}}'

    def test_gap(self):
        a = Wal()
        a.add(241, gap_body(1, 3), delta=0)
        a.note(delta=3)
        self.check(read(a), self.GAP, note(4))

    def test_gap_kinds(self):
        for kind, was, expected in (("damage", None, '"damage"'), ("unsynced", None, '"unsynced"'),
                                    ("too-new", None, '"too-new"'), ("repaired", "torn", '"repaired","was":"torn"'),
                                    ("else", None, '"damage"'), ("", "", '"damage","was":""')):
            a = Wal()
            a.add(241, gap_body(1, 3, kind, was), delta=0)
            self.check(read(a), self.GAP.replace('"torn"', expected))

    def test_numbers_that_are_too_high(self):
        high = 2 ** 63
        a = Wal()
        a.add(241, gap_body(high + 1, 3), delta=0)
        a.add(241, gap_body(1, high + 1), delta=0)
        a.mark(high + 1)
        a.note(delta=0)
        bare = self.GAP[:self.GAP.index(',"first"')] + "}}"
        self.check(read(a), bare, bare, note(1))
        a.mark(high)
        self.check(read(a), bare, bare, note(1), lost("1.wal", a.end, 16384 - a.end, first=2, last=high))
        a = Wal()
        a.add(241, gap_body(1, high), delta=0)
        at = a.note(delta=0)
        self.check(read(a), self.GAP.replace('"last":3', '"last":%d' % high), lost("1.wal", at, 27))

    def test_gap_not_expected(self):
        a = Wal()
        a.add(241, gap_body(2, 3), delta=0)
        a.note(delta=0)
        self.check(read(a), self.GAP.replace('"first":1', '"first":2'), note(1))
        a = Wal()
        a.add(241, gap_body(1, 0), delta=0)
        a.note(delta=0)
        self.check(read(a), self.GAP[:self.GAP.index(',"first"')] + "}}", note(1))

    def test_gap_malformed_and_others(self):
        a = Wal()
        a.add(241, b"\xff", delta=0)
        a.add(250, b"abc", delta=0)
        a.add(242, struct.pack("<Q", 1) + s("why"), delta=0)
        a.note(delta=0)
        self.check(read(a), note(1))

    def test_durable_mark_beyond_the_end(self):
        a = Wal()
        a.notes(2)
        a.mark(5)
        self.check(read(a), notes(1, 2), lost("1.wal", a.end, 16384 - a.end, first=3, last=5))
        end = a.end
        self.check(read(a.put(end, b"x")), notes(1, 2), lost("1.wal", end, 8, first=3, last=5))
        b = Wal()
        b.notes(2)
        b.add(240, struct.pack("<Q", 9)[:7])
        self.check(read(b), notes(1, 2))

    def test_unsynced(self):
        def log(mark, boot, run=2):
            a, b = Wal(), Wal(2, 4, run=run, boot=boot)
            a.mark(mark)
            at = a.notes(3)
            b.note()
            return at, read(a.flip(at[1]), b)
        for mark, boot, run, kind in ((1, BOOT_B, 2, "unsynced"), (2, BOOT_B, 2, "damage"), (1, BOOT_A, 2, "damage"),
                                      (1, bytes(16), 2, "damage"), (1, BOOT_B, 1, "unsynced"), (2 ** 63 + 1, BOOT_B, 2, "unsynced")):
            at, lines = log(mark, boot, run)
            self.check(lines, note(1), lost("1.wal", at[1], 32, kind, 2, 2), notes(3, 4))

    def test_unsynced_torn_and_later_mark(self):
        a, b, c = Wal(), Wal(2, 4, run=2), Wal(3, 5, run=3, boot=BOOT_B)
        a.notes(2)
        a.put(a.end, b"torn")
        b.note(), c.note()
        tail = [note(4), note(5)]
        self.check(read(a, b, c), notes(1, 2), lost("1.wal", a.end, 8, "unsynced", 3, 3), tail)
        c.mark(5)
        self.check(read(a, b, c), notes(1, 2), lost("1.wal", a.end, 8, "damage", 3, 3), tail)

    def test_unsynced_and_a_mark_that_is_not_delivered(self):
        def log(boot=BOOT_B, change=lambda a: None):
            a, b = Wal(), Wal(2, 4, run=2, boot=boot)
            a.notes(2)
            at = a.note()
            a.note("superseded")
            change(a)
            b.note()
            return at, read(a.flip(at), b)
        at, lines = log()
        self.check(lines, notes(1, 2), lost("1.wal", at, 32, "unsynced", 3, 3), note(4))
        at, lines = log(change=lambda a: a.mark(4))  # behind what the limit stops at
        self.check(lines, notes(1, 2), lost("1.wal", at, 32, "damage", 3, 3), note(4))
        at, lines = log(change=lambda a: a.add(240, struct.pack("<Q", 3), delta=0))
        self.check(lines, notes(1, 2), lost("1.wal", at, 32, "damage", 3, 3), note(4))
        at, lines = log(change=lambda a: a.flip(a.mark(4) + 24))
        self.check(lines, notes(1, 2), lost("1.wal", at, 32, "unsynced", 3, 3), note(4))

    def test_unsynced_goes_by_number(self):
        a, b, c = Wal(boot=bytes(16)), Wal(2, 2, boot=BOOT_A), Wal(3, 4, boot=BOOT_A)
        for w in (a, b, c):
            w.note()
            w.put(w.end, b"torn")
        self.check(read(a, b, c), note(1), lost("1.wal", a.end, 8, "torn"), note(2), lost("2.wal", b.end, 8, "damage", 3, 3),
                   note(4), lost("3.wal", c.end, 8, "torn"))
        d = Wal(4, 5, boot=BOOT_B, run=1)
        d.note()
        self.check(read(a, b, c, d)[3:], lost("2.wal", b.end, 8, "unsynced", 3, 3), note(4), lost("3.wal", c.end, 8, "torn"),
                   note(5))


# ------------------------------------------------------------------------------------------------------------- crash slots

def crashed(run, slot, when, rest):
    return '{"run":%d,"slot":%d,"time":%s,"type":"crashed",%s}' % (run, slot, when, rest)


class CrashSlots(Case):
    NOW = "1773568800000"

    def test_claimed(self):
        a = Wal().claim(2)
        a.slot(0, signal=11, text="böse".encode(), ns=5 * 10 ** 6, found_by=1).slot(1, signal=34, found_by=77).slot(2, good=False)
        a.note(ns=10 ** 6)
        line = note(1).replace(self.NOW, "1773568800001")
        self.check(read(a), line, crashed(1, 0, "5", '"reason":"böse","signal":"SIGSEGV","pid":9,"foundBy":"panic-hook"'),
                   crashed(1, 1, "1773568800001", '"reason":"signal 34","signal":"signal 34","pid":9,"foundBy":"handler"'))

    def test_reasons_and_wall_base(self):
        a = Wal().claim(4)
        a.slot(0, pid=0).slot(1, signal=-3, found_by=4).slot(2, text=b"\xffa\0", length=2).slot(3, signal=6, text=b"t")
        self.check(read(a), crashed(1, 0, self.NOW, '"reason":"unknown","pid":0,"foundBy":"handler"'),
                   crashed(1, 1, self.NOW, '"reason":"signal -3","signal":"signal -3","pid":9,"foundBy":"caller"'),
                   crashed(1, 2, self.NOW, '"reason":"\ufffda","pid":9,"foundBy":"handler"'),
                   crashed(1, 3, self.NOW, '"reason":"t","signal":"SIGABRT","pid":9,"foundBy":"handler"'))

    def test_invalid(self):
        a = Wal().claim(4)
        a.slot(0, good=False, signal=11).slot(1, version=2).slot(2, length=449, ns=77)
        bad = '"reason":"unknown","foundBy":"handler"'
        self.check(read(a), *[crashed(1, n, self.NOW, bad) for n in range(4)])
        self.check(read(a.claim(200)), *[crashed(1, n, self.NOW, bad) for n in range(4)])

    def test_claims_word(self):
        a, bad = Wal(), lost("1.wal", 2040, 4)
        self.check(read(a))
        self.check(read(a.put(2040, b"\1\0\0\0")), bad)
        self.check(read(a.put(2040, b"\0\0\0\1")), bad)
        # A valid slot counts, whatever the word says; one that is not valid does not.
        rest = '"reason":"unknown","pid":9,"foundBy":"handler"'
        a = Wal().slot(0, good=False).slot(2)
        for word in (b"\0\0\0\0", b"\1\0\0\0", b"\0\0\0\1"):
            self.check(read(a.put(2040, word)), bad, crashed(1, 2, self.NOW, rest))
        self.check(read(a.claim(1)), bad, crashed(1, 0, self.NOW, '"reason":"unknown","foundBy":"handler"'),
                   crashed(1, 2, self.NOW, rest))
        b = Wal(run_first=7).slot(0).claim(1)
        self.check(read(b))

    def test_pending(self):
        a = Wal().claim(3).slot(0, state=2, signal=15, ns=10 ** 6).slot(1, state=2, text=b"x").slot(2, state=3)
        a.note()
        self.check(read(a), note(1),
                   '{"run":1,"slot":0,"time":1,"type":"evidence","source":"signal","event":"pending","cause":"SIGTERM"}',
                   '{"run":1,"slot":1,"time":%s,"type":"evidence","source":"signal","event":"pending"}' % self.NOW,
                   crashed(1, 2, self.NOW, '"reason":"unknown","foundBy":"handler"'))

    def test_named(self):
        a, b = Wal().claim(4).slot(0).slot(1).slot(2, state=2), Wal(2, 1, run=2).claim(2).slot(0).slot(1, text=b"two")
        for n in (1, 2, 3):
            b.add(15, st(1 << 5 | 1 << 6, s("r"), v(1), v(n)))
        b.add(15, st(1 << 6, s("r"), v(0)))
        b.add(15, st(1 << 5, s("r"), v(1)))
        b.add(15, st(1 << 5 | 1 << 6, s("r"), v(1), v(0)) + b"\0")
        b.add(15, st(1 << 5 | 1 << 6, s("r"), v(1), v(0)), flags=1)
        lines = read(a, b)
        self.assertEqual(len(lines), 8)
        self.check(lines[6:], crashed(1, 0, self.NOW, '"reason":"unknown","pid":9,"foundBy":"handler"'),
                   crashed(2, 1, self.NOW, '"reason":"two","pid":9,"foundBy":"handler"'))

    def test_time_is_that_of_the_last_event_of_the_run(self):
        a, b, c = Wal().claim(1).slot(0), Wal(2, 2, run_first=1), Wal(3, 3, run=2).claim(1).slot(0)
        a.note(), b.note(ns=7 * 10 ** 6)
        b.add(13, flags=1, ns=8 * 10 ** 6, delta=1)
        b.add(240, struct.pack("<Q", 2), ns=9 * 10 ** 6, delta=2)
        rest = '"reason":"unknown","pid":9,"foundBy":"handler"'
        self.check(read(a, b)[2:], crashed(1, 0, "1773568800007", rest))
        self.check(read(a, b, c)[2:], crashed(1, 0, "1773568800007", rest), crashed(2, 0, self.NOW, rest))

    def test_order_is_by_run_and_behind_losses(self):
        a, b = Wal(1, 1, run=5).claim(1).slot(0), Wal(2, 2, run=3).claim(1).slot(0)
        a.note(), b.note()
        b.put(b.end, b"x")
        lines = read(a, b)
        self.check(lines[:3], notes(1, 2), lost("2.wal", b.end, 8, "torn"))
        self.assertEqual([json.loads(line)["run"] for line in lines[3:]], [3, 5])


# ------------------------------------------------------------------------------------------------------- the whole program

class Program(Case):
    def run_it(self, *arguments):
        return subprocess.run([sys.executable, os.path.join(HERE, "read_log.py"), *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def test_output(self):
        a = Wal()
        a.note("é")
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "7.wal"))
            with open(os.path.join(folder, "1.wal"), "wb") as out:
                out.write(a.data)
            done = self.run_it(folder)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, (note(1, "é") + "\n").encode(), b""))

    def test_exit_code_2(self):
        for arguments in ((), ("a", "b"), ("/nonexistent/folder",), (__file__,), ("",)):
            done = self.run_it(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertTrue(done.stderr)

    def test_never_throws(self):
        rng = random.Random(20)
        bodies = [(k, st(0, s("a"), b"\1", s("b"), z(5), z(6))) for k in range(1, 16)] + [(4, META), (241, gap_body(3, 9))]
        for turn in range(300):
            logs = []
            first = 1
            for number in range(1, rng.randint(2, 5)):
                w = Wal(number, max(1, first + rng.choice((0, 0, 0, -2, 3))), run=rng.randint(1, 2), capacity=8192,
                        boot=rng.choice((BOOT_A, BOOT_B)))
                for _ in range(rng.randint(0, 12)):
                    kind, body = rng.choice(bodies)
                    body = bytearray(body)
                    for _ in range(rng.choice((0, 0, 1, 5))):
                        body[rng.randrange(len(body))] = rng.choice((rng.randrange(256), 253, 254, 255))
                    w.add(kind, bytes(body), flags=rng.choice((0, 0, 0, rng.randrange(256))),
                          ns=rng.randint(-2 ** 46, 2 ** 46))
                first = w.first + w.delta
                if rng.random() < 0.5:
                    w.seal()
                w.claim(rng.choice((0, 0, 2))).slot(0, state=rng.randint(0, 3), signal=rng.randint(-2, 40), text=b"\xff")
                for _ in range(rng.choice((0, 0, 1, 3, 50))):
                    w.flip(rng.choice((rng.randrange(4096), rng.randrange(4096, max(4097, w.end)), rng.randrange(8192))))
                if rng.random() < 0.2:
                    del w.data[rng.randrange(8192):]
                if rng.random() < 0.9:
                    logs.append(w)
            noise = bytes(rng.randrange(256) for _ in range(rng.choice((0, 10, 600, 5000))))
            lines = read(*logs, **({"9_wal": noise} if turn % 5 == 0 else {}))
            seqs = [e["seq"] for e in map(json.loads, lines) if "seq" in e]
            self.assertEqual(seqs, sorted(set(seqs)))


if __name__ == "__main__":
    unittest.main()
