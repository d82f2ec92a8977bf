"""Simulated mines: physics, gateways, scenarios and load.

They speak to gasmon over MQTT, and to ask what it saw over HTTP; nothing else.

    plan.py, layout.py, furnish.py, names.py   which mines, units and points there are
    network.py, emission.py, airflow.py        what air and gas do
    stations.py, incidents.py, forcing.py      drainage; a rise on order; what is done
    probes.py                                  what the sensors make of it
    mine.py, city.py                           all of it over all points at once
    gateway.py, ring.py, link.py, fleet.py     frames, buffers, connections
    toml_source.py, scenario.py, causes.py     what may happen, as a file
    places.py, timeline.py, act.py             where and when it does
    platform.py, play.py, verdict.py           played on a platform, and judged
    compare.py, statistics.py, plot.py         beside a measured series
    tape.py                                    recorded, and published again
    run.py, load.py, speed.py, cli*.py         the command ``gasmon-sim``

Nothing here knows how gasmon judges; it knows topics, payloads and domain tables only.
"""
