"""Simulated mines: physics, gateways and load, speaking to gasmon over MQTT alone.

    plan.py, layout.py, furnish.py, names.py   which mines, units and points there are
    airflow.py, stations.py, incidents.py      what the gas does
    probes.py                                  what the sensors make of it
    mine.py, city.py                           all of it over all points at once
    gateway.py, ring.py, link.py, fleet.py     frames, buffers, connections
    run.py, load.py, cli.py                    the command ``gasmon-sim``

Nothing here knows how gasmon judges; it knows topics, payloads and domain tables only.
"""
