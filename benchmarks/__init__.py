"""Benchmarks, each side by side with its ceiling or floor in the same run.

    engine    readings judged per second, beside a bare gather, two compares, scatter
    engine_peer  five simple rules over 15,000 series, beside Prometheus' known time
    fanout    one event to 4, 100 and 1,000 platforms, beside a bare broadcast
    ingest    readings per second from the broker to the commit, beside a bare COPY
    latency   publish to the alarm in a client's hand, beside the shortest such path
    pages     how soon a room and the city show values, beside an empty page; tiles
    restart   snapshot and log judged again, beside ten seconds; the whole start
    safeguards  the ingest path with each safeguard off, beside all of them on
    soak      heap and nodes of pages that are open for long, beside their beginning
    trend     a year of a point on 2,000 columns from hours, beside the raw readings
    upload    records of upload files read per second, beside a bare str.split

``python -m benchmarks.screenshots`` makes the pictures of README.
``python -m benchmarks NAME [--json] [--quick]``; docs/benchmarks.md has the numbers.
A machine is never quiet: what is compared is measured in turns within one run, and
what is reported is the ratio beside both numbers.
"""
