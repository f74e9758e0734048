"""Reads CSV with Python's csv module. Lines on stdin: {"text", "separator"}; on stdout the rows of each."""
import csv
import io
import json
import sys

for line in sys.stdin:
    given = json.loads(line)
    rows = list(csv.reader(io.StringIO(given["text"], newline=""), delimiter=given["separator"], strict=True))
    if len({len(row) for row in rows}) > 1:
        raise SystemExit("rows of different lengths")
    print(json.dumps(rows))
