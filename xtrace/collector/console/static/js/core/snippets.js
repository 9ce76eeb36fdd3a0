// What is on the screen, as a program that fetches it.

import { fixed } from "../ui/querybar.js";
import * as ranges from "./range.js";

const string = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

const HEAD = () => `import boto3
from botocore import UNSIGNED
from botocore.config import Config

xray = boto3.client(
    "xray",
    endpoint_url=${string(location.origin)},
    region_name="us-east-1",
    config=Config(signature_version=UNSIGNED),
)
`;

/** Python that gets one trace. @param {string} id */
export const traceSnippet = (id) => `${HEAD()}
for trace in xray.batch_get_traces(TraceIds=[${string(id)}])["Traces"]:
    for segment in trace["Segments"]:
        print(segment["Document"])
`;

/** Python that gets the summaries of a list. */
export function listSnippet({ filter, range, group }) {
  const bounds = ranges.bounds(fixed(range === "all" ? "P7D" : range));
  const expression = [filter, group ? `group.name = ${string(group)}` : ""].filter(Boolean).join(" AND ");
  return `from datetime import datetime, timezone

${HEAD()}
pages = xray.get_paginator("get_trace_summaries").paginate(
    StartTime=datetime.fromtimestamp(${bounds[0].toFixed(3)}, timezone.utc),
    EndTime=datetime.fromtimestamp(${bounds[1].toFixed(3)}, timezone.utc),${expression ? `\n    FilterExpression=${string(expression)},` : ""}
)
for page in pages:
    for summary in page["TraceSummaries"]:
        print(summary["Id"], summary.get("ResponseTime"), summary["Http"].get("HttpURL"))
`;
}
