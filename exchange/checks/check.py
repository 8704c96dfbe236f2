"""Reads every export of a store's sessions with parsers that are not ours, and compares what they say with the canonical JSON.

check.py TRACEWAL STORE NODE HARBOR"""

import base64
import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from google.protobuf import json_format
from harbor.models.trajectories import Trajectory
from markdown_it import MarkdownIt
from openinference.semconv.trace import SpanAttributes, ToolCallAttributes
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

import trace_events

SURROGATES = re.compile("[\ud800-\udfff]")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
BINARY64_MAX = 1.7976931348623157e308


def shown(value):
    """A value as text for people, as exports have it: None when that is not to be foretold from parsed JSON."""
    if isinstance(value, str):
        return SURROGATES.sub("\ufffd", value)
    return None


def otlp(path, canonical, convention):
    document = json.loads(path.read_text())
    for span in spans_of(document):
        for key in ("traceId", "spanId", "parentSpanId"):
            # OTLP/JSON has ids in hexadecimal, where protobuf's own JSON has base64.
            span[key] = base64.b64encode(bytes.fromhex(span.get(key, ""))).decode()
    data = json_format.ParseDict(document, TracesData())
    compare_otlp(data, canonical, convention)
    return data


def spans_of(document):
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            yield from scope["spans"]


def compare_otlp(data, canonical, convention):
    spans = [span for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans]
    wanted = canonical["spans"]
    assert len(spans) == len(wanted), (len(spans), len(wanted))
    assert len({span.trace_id for span in spans}) == 1 and len(spans[0].trace_id) == 16
    ids = {}
    for span, of in zip(spans, wanted):
        assert len(span.span_id) == 8 and span.span_id not in ids, of["spanId"]
        ids[span.span_id] = of["spanId"]
    for span, of in zip(spans, wanted):
        attributes = {attribute.key: attribute.value for attribute in span.attributes}
        assert len(attributes) == len(span.attributes), ("an attribute stands there twice", of["spanId"])
        assert ids.get(span.parent_span_id) == of["parentSpanId"], of["spanId"]
        assert (span.status.code == Status.STATUS_CODE_ERROR) == (of["status"] == "error"), of["spanId"]
        if "endTime" in of:
            for ns, ms in ((span.start_time_unix_nano, of["startTime"]), (span.end_time_unix_nano, of["endTime"])):
                if 0 <= ms * 1e6 < 1 << 64:
                    assert abs(ns - ms * 1e6) < 2000, (of["spanId"], ns, ms)
        known = NAMES[convention]
        for key in attributes:
            assert key in known or key.startswith("tracewal.") or key == "error.type", key
        if "tokens" in of and of["tokens"]["total"] < 1 << 63:
            tokens = of["tokens"]
            prompt, completion = (attributes[name].int_value for name in known["tokens"])
            assert prompt == tokens["input"] + tokens["cacheRead"] + tokens["cacheWrite"], of["spanId"]
            assert completion == tokens["output"] + tokens["reasoning"], of["spanId"]
        for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
            for message in json.loads(attributes[key].string_value) if key in attributes else []:
                assert isinstance(message["role"], str) and isinstance(message["parts"], list), of["spanId"]
                assert all(isinstance(part["type"], str) for part in message["parts"]), of["spanId"]


NAMES = {
    "genai": {
        **{value: None for value in vars(gen_ai_attributes).values() if isinstance(value, str)},
        "tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    },
    "openinference": {
        **{value: None for value in vars(SpanAttributes).values() if isinstance(value, str)},
        "tokens": ("llm.token_count.prompt", "llm.token_count.completion"),
    },
}


def atif(path, canonical):
    trajectory = Trajectory.model_validate_json(path.read_bytes())
    assert trajectory.schema_version == "ATIF-v1.7"
    summary = canonical["summary"]
    calls = [call for step in trajectory.steps for call in step.tool_calls or []]
    results = [result for step in trajectory.steps if step.observation for result in step.observation.results]
    assert len(calls) == len(results) == summary["totalToolCalls"]
    assert sum(step.llm_call_count or 0 for step in trajectory.steps) == summary["totalGenerations"]
    assert trajectory.final_metrics.total_steps == len(trajectory.steps)
    by_id = {span["spanId"]: span for span in canonical["spans"]}
    for call, result in zip(calls, results):
        of = by_id[call.extra["span_id"]]
        assert call.function_name == of["name"]
        if (text := shown(of.get("output"))) is not None:
            assert result.content == text, of["spanId"]


def table(path, canonical):
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    wanted = canonical["spans"]
    assert len(rows) == len(wanted), (len(rows), len(wanted))
    texts = {"span_id": "spanId", "name": "name", "status_message": "statusMessage", "input": "input", "output": "output"}
    for row, of in zip(rows, wanted):
        assert None not in row and None not in row.values(), of["spanId"]
        for column, key in texts.items():
            text = shown(of.get(key, ""))
            if text is not None:
                text = text.replace("\0", "\u2400")
                assert row[column] == ("'" + text if text.startswith(FORMULA) else text), (column, of["spanId"])
        for value in row.values():
            assert not value.startswith(FORMULA) or re.fullmatch(r"-[0-9.e+-]+", value), value[:40]
        assert float(row["start_ms"]) == of["startTime"]
        assert row["input_tokens"] == (str(of["tokens"]["input"]) if "tokens" in of else "")


def markdown(path, canonical):
    # Whatever stands outside of fences and code spans is ours.
    ours = re.compile(
        r"(Session|Status|Error|Agent|Model|Started|Ended|Tokens|Cost|Lost|Input|Output|Attributes"
        r"|Prompt|Tool|User|Text|Span|id|open|interrupted|failed|model|finish|tokens in|out|ms|\d[\dTZ:.-]*|\$[-\d.e+]+|[:,· ])*"
    )
    fences = 0
    for token in MarkdownIt("commonmark").parse(path.read_text()):
        assert token.type in KINDS, token
        fences += token.type == "fence"
        for child in token.children or []:
            assert child.type in ("text", "code_inline", "strong_open", "strong_close", "softbreak"), child
            assert child.type != "text" or ours.fullmatch(child.content), child.content
    wanted = 0
    for span in canonical["spans"]:
        is_root = span["kind"] == "session"
        if is_root and "input" not in span and "attributes" not in span:
            continue
        parts = ("statusMessage", "input", "attributes") if is_root else ("statusMessage", "input", "output", "attributes")
        wanted += sum(part in span for part in parts)
    assert fences == wanted, (fences, wanted)


KINDS = {
    "heading_open", "heading_close", "inline", "fence", "paragraph_open", "paragraph_close",
    "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
}


def main():
    tracewal, store, node = sys.argv[1:4]
    csv.field_size_limit(1 << 30)
    sys.set_int_max_str_digits(0)
    listed = subprocess.run([tracewal, "--store", store, "ls", "--all", "--json"], check=True, capture_output=True)
    sessions = [row["sessionId"] for row in json.loads(listed.stdout)]
    assert sessions, "there is no session"
    for session in sessions:
        with tempfile.TemporaryDirectory(dir=pathlib.Path(store).parent) as folder:
            check(tracewal, store, node, session, pathlib.Path(folder))


def check(tracewal, store, node, session, folder):
    peaks = {}

    def export(name):
        path = folder / name
        peak = pathlib.Path(__file__).with_name("peak.py")
        command = [tracewal, "--store", store, "export", name, "-o", path, "--", session]
        ran = subprocess.run([sys.executable, "-S", peak, *command], check=True, stdout=subprocess.PIPE)
        peaks[name] = f"{name} {int(ran.stdout) >> 10}"
        return path

    canonical = json.loads(export("json").read_text())
    spans = len(canonical["spans"])
    started = time.monotonic()
    for line in export("events").open(encoding="utf-8"):
        assert isinstance(json.loads(line), dict)
    data = otlp(export("otlp"), canonical, "genai")
    binary = export("otlp-proto").read_bytes()
    assert regrouped(TracesData.FromString(binary)) == regrouped(data), "JSON and protobuf differ"
    assert ExportTraceServiceRequest.FromString(binary).SerializeToString() == TracesData.FromString(binary).SerializeToString()
    otlp(export("openinference"), canonical, "openinference")
    atif(export("atif"), canonical)
    table(export("csv"), canonical)
    markdown(export("markdown"), canonical)
    perfetto = trace_events.check(export("perfetto"), canonical, node)
    print(f"{session[:36]!r}: {spans} spans, all accepted in {time.monotonic() - started:.1f} s; perfetto: {perfetto}")
    if spans > 1000:
        print("  peak MiB resident while writing " + ", ".join(peaks.values()))


def regrouped(data):
    """Protobuf comes in several messages with the same resource."""
    return [span.SerializeToString() for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans]


main()
